// The products with a low-rank factor, the update formed within the compose step, and the whole
// backward of an adapted layer, against double precision on every backend.
#include <cmath>

#include "tests/kernels/core_harness.h"

namespace dorabooth::testing::low_rank_kernels_test {
namespace {

struct Shape {
  int64_t tokens, in, out, rank;
  size_t wide() const { return static_cast<size_t>(tokens * in); }
  size_t result() const { return static_cast<size_t>(tokens * out); }
};

constexpr Shape kShapes[] = {
    {1, 5, 3, 1},       {77, 96, 64, 16}, {9, 33, 40, 4},     {70, 24, 1288, 16},
    {130, 2056, 17, 8}, {33, 64, 72, 20}, {6, 272, 264, 256},
};

std::string name_of(const Shape& s) {
  return std::to_string(s.tokens) + " tokens, " + std::to_string(s.in) + " to " +
         std::to_string(s.out) + ", rank " + std::to_string(s.rank);
}

// [rows, columns] as [columns, rows].
std::vector<float> transposed(const std::vector<float>& values, int64_t rows, int64_t columns) {
  std::vector<float> result(values.size());
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      result[static_cast<size_t>(j * rows + i)] = values[static_cast<size_t>(i * columns + j)];
    }
  }
  return result;
}

// scale · a·bᵀ of [rows, inner] and [columns, inner] in T.
template <typename T>
std::vector<T> product(const std::vector<float>& a, const std::vector<float>& b, int64_t rows,
                       int64_t columns, int64_t inner, T scale) {
  std::vector<T> result(static_cast<size_t>(rows * columns));
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      T sum = 0;
      for (int64_t k = 0; k < inner; ++k) {
        sum += static_cast<T>(a[static_cast<size_t>(i * inner + k)]) *
               static_cast<T>(b[static_cast<size_t>(j * inner + k)]);
      }
      result[static_cast<size_t>(i * columns + j)] = scale * sum;
    }
  }
  return result;
}

// Rows of `stride` of which the first `rank` count.
std::vector<float> widened(const std::vector<float>& values, int64_t rank, int64_t stride) {
  std::vector<float> result;
  for (size_t at = 0; at < values.size(); at += static_cast<size_t>(rank)) {
    result.insert(result.end(), values.begin() + static_cast<std::ptrdiff_t>(at),
                  values.begin() + static_cast<std::ptrdiff_t>(at) + rank);
    result.resize(result.size() + static_cast<size_t>(stride - rank), 1e30f);
  }
  return result;
}

std::vector<float> narrowed(const std::vector<float>& values, int64_t rank, int64_t stride) {
  std::vector<float> result;
  for (size_t at = 0; at < values.size(); at += static_cast<size_t>(stride)) {
    result.insert(result.end(), values.begin() + static_cast<std::ptrdiff_t>(at),
                  values.begin() + static_cast<std::ptrdiff_t>(at) + rank);
  }
  return result;
}

constexpr float kScale = 0.75f;

struct Inputs {
  std::vector<float> x, dy, a, b, u, weight, gain, bias, norm, magnitude;

  Inputs(const Shape& s, ElementType type)
      : x(rounded(type, normal_values("x", s.wide()))),
        dy(rounded(type, normal_values("dy", s.result()))),
        a(normal_values("a", static_cast<size_t>(s.rank * s.in))),
        b(normal_values("b", static_cast<size_t>(s.out * s.rank), 0.1f)),
        u(normal_values("u", static_cast<size_t>(s.tokens * s.rank))),
        weight(rounded(type, normal_values("w", static_cast<size_t>(s.out * s.in)))),
        gain(normal_values("gain", static_cast<size_t>(s.out), 0.1f)),
        bias(rounded(type, normal_values("bias", static_cast<size_t>(s.out)))),
        norm(normal_values("norm", static_cast<size_t>(s.out))) {
    for (float& g : gain) g += 1.0f;
    for (float& n : norm) n = std::fabs(n) + 1.0f;
    for (size_t o = 0; o < gain.size(); ++o) magnitude.push_back(gain[o] * norm[o]);
  }
};

std::vector<float> run_product(const Backend& backend, const Shape& s, ElementType type,
                               const std::vector<float>& wide, const std::vector<float>& factor,
                               bool by_column, int64_t stride) {
  const auto memory = backend.memory();
  NarrowProductArgs args;
  args.on = backend.on;
  args.wide = memory->put_as(type, wide);
  args.type = type;
  args.factor = {memory->put(factor), s.rank, by_column};
  args.scale = kScale;
  args.tokens = s.tokens;
  args.columns = s.in;
  args.narrow = memory->put(std::vector<float>(static_cast<size_t>(s.tokens * stride), -1.0f));
  args.narrow_stride = stride;
  backend.core->narrow_product(args);
  return memory->get(args.narrow, static_cast<size_t>(s.tokens * stride));
}

TEST(NarrowProduct, EqualsDoublePrecisionInBothLayoutsAndEveryType) {
  for (const Shape& s : kShapes) {
    for (const ElementType type : kTypes) {
      const Inputs in(s, type);
      const auto exact = product<double>(in.x, in.a, s.tokens, s.rank, s.in, 0.75);
      const auto naive = product<float>(in.x, in.a, s.tokens, s.rank, s.in, kScale);
      for (const Backend& backend : backends()) {
        SCOPED_TRACE(backend.name + ", " + type_name(type) + ", " + name_of(s));
        const int64_t stride = s.rank + 3;
        const auto got = run_product(backend, s, type, in.x, in.a, false, stride);
        expect_within_twice_naive(narrowed(got, s.rank, stride), naive, exact,
                                  ElementType::kFloat32);
        for (int64_t t = 0; t < s.tokens; ++t) {
          EXPECT_EQ(got[static_cast<size_t>(t * stride + s.rank)], -1.0f) << "beyond the rank";
        }
        EXPECT_EQ(run_product(backend, s, type, in.x, transposed(in.a, s.rank, s.in), true, s.rank),
                  narrowed(got, s.rank, stride));
      }
    }
  }
}

std::vector<float> run_forward(const Backend& backend, const Shape& s, ElementType type,
                               const Inputs& in, bool by_column, bool dora, bool apart) {
  const auto memory = backend.memory();
  ComposeForwardArgs args;
  args.on = backend.on;
  args.type = type;
  const std::vector<float> nothing(s.result(), 1e30f);
  args.base = memory->put_as(type, apart ? nothing : in.dy);
  if (apart) args.source = memory->put_as(type, in.dy);
  args.narrow = {memory->put(widened(in.u, s.rank, s.rank + 5)), s.rank + 5};
  args.factor = {memory->put(by_column ? in.b : transposed(in.b, s.out, s.rank)), s.rank,
                 by_column};
  if (dora) args.gain = memory->put(in.gain);
  if (dora) args.bias = memory->put_as(type, in.bias);
  args.bias_type = type;
  args.scale = kScale;
  args.tokens = s.tokens;
  args.out = s.out;
  backend.core->compose_forward(args);
  return memory->get_as(type, args.base, s.result());
}

// y in T, the update rounded as `round` has it where T is float.
template <typename T, typename Round>
std::vector<T> composed(const Shape& s, const Inputs& in, bool dora, const Round& round) {
  const auto update = product<T>(in.u, in.b, s.tokens, s.out, s.rank, static_cast<T>(kScale));
  std::vector<T> y;
  for (size_t at = 0; at < s.result(); ++at) {
    const size_t o = at % static_cast<size_t>(s.out);
    const T sum = round(static_cast<T>(in.dy[at]) + round(update[at]));
    y.push_back(dora ? round(round(static_cast<T>(in.gain[o]) * sum) + static_cast<T>(in.bias[o]))
                     : sum);
  }
  return y;
}

TEST(ComposeForward, FormsTheUpdateFromItsFactors) {
  for (const Shape& s : kShapes) {
    for (const ElementType type : kTypes) {
      const Inputs in(s, type);
      for (const bool dora : {false, true}) {
        const auto exact = composed<double>(s, in, dora, [](double value) { return value; });
        const auto naive =
            composed<float>(s, in, dora, [&](float value) { return rounded(type, {value})[0]; });
        for (const Backend& backend : backends()) {
          SCOPED_TRACE(backend.name + ", " + type_name(type) + ", " + name_of(s));
          const auto got = run_forward(backend, s, type, in, true, dora, false);
          expect_within_twice_naive(got, naive, exact, type);
          EXPECT_EQ(run_forward(backend, s, type, in, false, dora, false), got);
          EXPECT_EQ(run_forward(backend, s, type, in, true, dora, true), got);
        }
      }
    }
  }
}

struct Result {
  std::vector<float> dyg, dm, du, d_down, d_up;
  std::vector<uint8_t> flagged;
};

// y = g∘(p + s·l) + b of the layer itself, so that y/m is a value of it.
std::vector<float> value_of(const Shape& s, const Inputs& in, ElementType type) {
  const auto p = product<double>(in.x, in.weight, s.tokens, s.out, s.in, 1.0);
  const auto l = product<double>(in.u, in.b, s.tokens, s.out, s.rank, 0.75);
  std::vector<float> y;
  for (size_t at = 0; at < s.result(); ++at) {
    const size_t o = at % static_cast<size_t>(s.out);
    y.push_back(static_cast<float>(static_cast<double>(in.magnitude[o]) /
                                       static_cast<double>(in.norm[o]) * (p[at] + l[at]) +
                                   static_cast<double>(in.bias[o])));
  }
  return rounded(type, y);
}

Result run_backward(const Backend& backend, const Shape& s, ElementType type, const Inputs& in,
                    const std::vector<float>& value, bool dora, bool with_weight) {
  const auto memory = backend.memory();
  const auto out = static_cast<size_t>(s.out);
  AdapterBackwardArgs args;
  ComposeBackwardArgs& compose = args.compose;
  compose.on = backend.on;
  compose.dy = memory->put_as(type, in.dy);
  compose.type = type;
  compose.tokens = s.tokens;
  compose.out = s.out;
  if (dora) {
    compose.value = memory->put_as(type, value);
    compose.value_type = type;
    compose.bias = memory->put_as(type, in.bias);
    compose.bias_type = type;
    compose.gain = memory->put(in.gain);
    compose.divisor = memory->put(in.magnitude);
    compose.norm = memory->put(in.norm);
    compose.bound = 1e-3f;
    compose.dyg = memory->put_as(type, std::vector<float>(s.result()));
    compose.dm = memory->put(std::vector<float>(out, -1.0f));
    compose.flagged = memory->put(std::vector<uint8_t>(out, 7));
    compose.workspace = memory->put(
        std::vector<double>(static_cast<size_t>(compose_backward_workspace(s.tokens, s.out))));
  }
  args.x = memory->put_as(type, in.x);
  args.in = s.in;
  args.rank = s.rank;
  args.u = {memory->put(widened(in.u, s.rank, s.rank + 2)), s.rank + 2};
  args.up = memory->put(in.b);
  args.scale = kScale;
  if (with_weight) args.weight = memory->put_as(type, in.weight);
  args.weight_type = type;
  args.du_stride = s.rank + 1;
  const auto du_size = static_cast<size_t>(s.tokens * args.du_stride);
  args.du = memory->put(std::vector<float>(du_size));
  args.d_down = memory->put(std::vector<float>(in.a.size(), -1.0f));
  args.d_up = memory->put(std::vector<float>(in.b.size(), -1.0f));
  args.workspace = memory->put(std::vector<float>(static_cast<size_t>(
      backend.core->adapter_backward_workspace(s.tokens, s.in, s.out, s.rank) + 1)));
  backend.core->adapter_backward(args);
  Result result;
  if (dora) {
    result.dyg = memory->get_as(type, compose.dyg, s.result());
    result.dm = memory->get(compose.dm, out);
    result.flagged = memory->get(compose.flagged, out);
  }
  result.du = narrowed(memory->get(args.du, du_size), s.rank, args.du_stride);
  result.d_down = memory->get(args.d_down, in.a.size());
  result.d_up = memory->get(args.d_up, in.b.size());
  return result;
}

// The products of the backward in T, from dyg and du as the kernel has rounded them.
template <typename T>
struct Products {
  std::vector<T> du, d_down, d_up;

  Products(const Shape& s, const Inputs& in, const std::vector<float>& dyg,
           const std::vector<float>& rounded_du) {
    const auto scale = static_cast<T>(kScale);
    du = product<T>(dyg, transposed(in.b, s.out, s.rank), s.tokens, s.rank, s.out, scale);
    d_up = product<T>(transposed(dyg, s.tokens, s.out), transposed(in.u, s.tokens, s.rank), s.out,
                      s.rank, s.tokens, scale);
    d_down = product<T>(transposed(rounded_du, s.tokens, s.rank), transposed(in.x, s.tokens, s.in),
                        s.rank, s.in, s.tokens, T{1});
  }
};

void check_backward(const Backend& backend, const Shape& s, ElementType type, bool dora) {
  SCOPED_TRACE(backend.name + ", " + type_name(type) + ", " + name_of(s));
  const Inputs in(s, type);
  const auto value = value_of(s, in, type);
  const Result got = run_backward(backend, s, type, in, value, dora, true);
  const std::vector<float>& dyg = dora ? got.dyg : in.dy;
  const Products<double> exact(s, in, dyg, got.du);
  const Products<float> naive(s, in, dyg, got.du);
  expect_within_twice_naive(got.du, naive.du, exact.du, ElementType::kFloat32);
  expect_within_twice_naive(got.d_down, naive.d_down, exact.d_down, ElementType::kFloat32);
  expect_within_twice_naive(got.d_up, naive.d_up, exact.d_up, ElementType::kFloat32);
  if (!dora) return;
  const auto out = static_cast<size_t>(s.out);
  std::vector<double> dm(out);
  std::vector<float> dm_naive(out);
  for (size_t at = 0; at < s.result(); ++at) {
    const size_t o = at % out;
    EXPECT_EQ(got.dyg[at], rounded(type, {in.dy[at] * in.gain[o]})[0]);
    dm[o] += static_cast<double>(in.dy[at]) *
             (static_cast<double>(value[at]) - static_cast<double>(in.bias[o])) /
             static_cast<double>(in.magnitude[o]);
    dm_naive[o] += in.dy[at] * (value[at] - in.bias[o]) / in.magnitude[o];
  }
  expect_within_twice_naive(got.dm, dm_naive, dm, ElementType::kFloat32);
}

TEST(AdapterBackward, EqualsDoublePrecisionForLoraAndDora) {
  for (const Shape& s : kShapes) {
    for (const ElementType type : kTypes) {
      for (const Backend& backend : backends()) {
        check_backward(backend, s, type, false);
        check_backward(backend, s, type, true);
      }
    }
  }
}

TEST(AdapterBackward, DoesNotDependOnThreadsOrLaneOrder) {
  const Shape s{517, 264, 320, 16};
  const Inputs in(s, ElementType::kBFloat16);
  const auto value = value_of(s, in, ElementType::kBFloat16);
  std::vector<Result> got;
  for (const Backend& backend : backends()) {
    got.push_back(run_backward(backend, s, ElementType::kBFloat16, in, value, true, true));
  }
  const auto expect_same = [&](size_t a, size_t b) {
    EXPECT_EQ(got[a].dm, got[b].dm);
    EXPECT_EQ(got[a].du, got[b].du);
    EXPECT_EQ(got[a].d_down, got[b].d_down);
    EXPECT_EQ(got[a].d_up, got[b].d_up);
  };
  expect_same(0, 1);
  expect_same(2, 3);
  expect_same(2, 4);
}

// A bias of thousands leaves nothing of m's share in y; a norm of zero has no gradient.
TEST(AdapterBackward, RecomputesColumnsWhoseMagnitudeIsTooSmall) {
  const Shape s{9, 24, 24, 4};
  const ElementType type = ElementType::kFloat32;
  Inputs in(s, type);
  for (const size_t o : {size_t{3}, size_t{11}}) {
    in.magnitude[o] = 1e-5f;
    in.gain[o] = 1e-5f / in.norm[o];
    in.bias[o] = 5000.0f;
  }
  in.magnitude[5] = in.norm[5] = 0.0f;
  in.gain[5] = 1.0f;
  auto value = value_of(s, in, type);
  for (size_t at = 5; at < value.size(); at += 24) value[at] = in.bias[5];
  const auto p = product<double>(in.x, in.weight, s.tokens, s.out, s.in, 1.0);
  const auto l = product<double>(in.u, in.b, s.tokens, s.out, s.rank, 0.75);
  for (const Backend& backend : backends()) {
    SCOPED_TRACE(backend.name);
    const Result got = run_backward(backend, s, type, in, value, true, true);
    for (size_t o = 0; o < 24; ++o) {
      double dm = 0;
      for (size_t t = 0; t < 9; ++t) {
        dm += static_cast<double>(in.dy[t * 24 + o]) * (p[t * 24 + o] + l[t * 24 + o]);
      }
      dm = o == 5 ? 0 : dm / static_cast<double>(in.norm[o]);
      EXPECT_NEAR(static_cast<double>(got.dm[o]), dm, 1e-4 * std::fabs(dm)) << o;
      EXPECT_EQ(got.flagged[o], o == 3 || o == 5 || o == 11 ? 1 : 0) << o;
    }
    // Without the weight the caller is told, and nothing wrong is written.
    const Result told = run_backward(backend, s, type, in, value, true, false);
    EXPECT_EQ(told.flagged, got.flagged);
    EXPECT_EQ(told.dm[3], 0.0f);
  }
}

}  // namespace
}  // namespace dorabooth::testing::low_rank_kernels_test
