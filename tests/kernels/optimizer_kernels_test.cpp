// AdamW, the 2-norm and scaling over flat buffers, against double precision.
#include <cmath>

#include "tests/kernels/core_harness.h"

namespace dorabooth::testing::optimizer_kernels_test {
namespace {

struct AdamWState {
  std::vector<float> parameter, exp_avg, exp_avg_sq;
};

AdamWState run_steps(const Backend& backend, const std::vector<AdamWSegment>& segments,
                     size_t count, int64_t steps) {
  const auto memory = backend.memory();
  AdamWArgs args;
  args.on = backend.on;
  args.parameter = memory->put(normal_values("parameter", count));
  args.exp_avg = memory->put(std::vector<float>(count));
  args.exp_avg_sq = memory->put(std::vector<float>(count));
  args.segment_count = static_cast<int64_t>(segments.size());
  for (int64_t step = 0; step < steps; ++step) {
    std::vector<AdamWSegment> now = segments;
    for (AdamWSegment& segment : now) segment.step += step;
    args.segments = now.data();
    args.gradient = memory->put(normal_values("gradient " + std::to_string(step), count));
    backend.core->adamw(args);
  }
  return {memory->get(args.parameter, count), memory->get(args.exp_avg, count),
          memory->get(args.exp_avg_sq, count)};
}

// torch.optim.AdamW's documented algorithm in T.
template <typename T>
std::vector<T> reference_steps(const std::vector<AdamWSegment>& segments, size_t count,
                               int64_t steps) {
  const std::vector<float> start = normal_values("parameter", count);
  std::vector<T> p(start.begin(), start.end()), m(count), v(count);
  const T b1 = static_cast<T>(0.9), b2 = static_cast<T>(0.999), eps = static_cast<T>(1e-8);
  for (int64_t step = 0; step < steps; ++step) {
    const std::vector<float> gradient = normal_values("gradient " + std::to_string(step), count);
    for (const AdamWSegment& segment : segments) {
      const T lr = static_cast<T>(segment.learning_rate);
      const T k = static_cast<T>(segment.step + step);
      for (auto i = static_cast<size_t>(segment.begin); i < static_cast<size_t>(segment.end); ++i) {
        const T g = static_cast<T>(gradient[i]);
        p[i] -= lr * static_cast<T>(segment.weight_decay) * p[i];
        m[i] = b1 * m[i] + (1 - b1) * g;
        v[i] = b2 * v[i] + (1 - b2) * g * g;
        const T m_hat = m[i] / (1 - std::pow(b1, k));
        const T v_hat = v[i] / (1 - std::pow(b2, k));
        p[i] -= lr * m_hat / (std::sqrt(v_hat) + eps);
      }
    }
  }
  return p;
}

TEST(AdamW, EqualsDoublePrecisionOverSegments) {
  const size_t count = 10007;
  const std::vector<AdamWSegment> segments = {
      {0, 4099, 1, 1e-2, 0.01}, {4099, 4100, 5, 3e-3, 0.0}, {4104, 10007, 1, 1e-3, 0.1}};
  const std::vector<double> exact = reference_steps<double>(segments, count, 5);
  const std::vector<float> naive = reference_steps<float>(segments, count, 5);
  const std::vector<float> start = normal_values("parameter", count);
  std::vector<AdamWState> states;
  for (const Backend& backend : backends()) {
    SCOPED_TRACE(backend.name);
    const AdamWState state = run_steps(backend, segments, count, 5);
    expect_within_twice_naive(state.parameter, naive, exact, ElementType::kFloat32);
    for (size_t i = 4100; i < 4104; ++i) EXPECT_EQ(state.parameter[i], start[i]) << "in no segment";
    states.push_back(state);
  }
  EXPECT_EQ(states[0].parameter, states[1].parameter) << "depends on the number of threads";
}

TEST(L2Norm, EqualsDoublePrecision) {
  for (const size_t count : {size_t{0}, size_t{1}, size_t{17}, size_t{16384}, size_t{100003}}) {
    const std::vector<float> data = normal_values("data", count);
    double square = 0;
    for (const float x : data) square += static_cast<double>(x) * static_cast<double>(x);
    std::vector<double> norms;
    for (const Backend& backend : backends()) {
      SCOPED_TRACE(backend.name + ", " + std::to_string(count));
      const auto memory = backend.memory();
      L2NormArgs args;
      args.on = backend.on;
      args.data = memory->put(data);
      args.count = static_cast<int64_t>(count);
      args.workspace = memory->put(
          std::vector<double>(static_cast<size_t>(l2_norm_workspace(static_cast<int64_t>(count)))));
      args.norm = memory->put(std::vector<double>{-1.0});
      backend.core->l2_norm(args);
      norms.push_back(memory->get(args.norm, 1)[0]);
      EXPECT_NEAR(norms.back(), std::sqrt(square), 1e-13 * std::sqrt(square));
    }
    EXPECT_EQ(norms[0], norms[1]);
    EXPECT_EQ(norms[2], norms[3]);
    EXPECT_EQ(norms[2], norms[4]);
  }
}

std::vector<float> run_scale(const Backend& backend, const std::vector<float>& data, float factor,
                             const double* norm, double max_norm) {
  const auto memory = backend.memory();
  ScaleArgs args;
  args.on = backend.on;
  args.data = memory->put(data);
  args.count = static_cast<int64_t>(data.size());
  args.factor = factor;
  if (norm != nullptr) args.norm = memory->put(std::vector<double>{*norm});
  args.max_norm = max_norm;
  backend.core->scale(args);
  return memory->get(args.data, data.size());
}

TEST(Scale, ClipsAsTorchDoesAndLeavesSmallGradientsAlone) {
  const std::vector<float> data = normal_values("gradient", 1031);
  for (const Backend& backend : backends()) {
    SCOPED_TRACE(backend.name);
    const double large = 4.0;
    const double small = 0.5;
    const float clip = static_cast<float>(1.0 / (large + 1e-6));
    const auto clipped = run_scale(backend, data, 1.0f, &large, 1.0);
    const auto halved = run_scale(backend, data, 0.5f, nullptr, 0.0);
    for (size_t i = 0; i < data.size(); ++i) {
      ASSERT_EQ(clipped[i], data[i] * clip);
      ASSERT_EQ(halved[i], data[i] * 0.5f);
    }
    EXPECT_EQ(run_scale(backend, data, 1.0f, &small, 1.0), data);
  }
}

}  // namespace
}  // namespace dorabooth::testing::optimizer_kernels_test
