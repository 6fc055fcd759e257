// The adapter's kernels with one barrier taken out, each barrier in its turn: in some lane order
// the results must then be wrong, or the tests of the kernels would not notice a missing barrier.
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "kernels/device_math.h"
#include "tests/kernels/core_harness.h"

// The kernels once more, under names of their own; every barrier written in these files asks
// mutation::barrier whether it is there.
namespace dorabooth::mutation {
namespace {

int removed = -1;  // number of the barrier that is missing

void barrier(int number, int line) {
  if (number != removed) simt::block_barrier(line);
}

constexpr int kBeforeFirst = __COUNTER__;

}  // namespace
}  // namespace dorabooth::mutation

// clang-format off
#define __syncthreads() mutation::barrier(__COUNTER__ - mutation::kBeforeFirst - 1, __LINE__)
#define gpu mutated_gpu
#define load_factor_tile mutated_load_factor_tile
#define add_row_products mutated_add_row_products
#include "kernels/device_products.h"
#include "kernels/compose.cu"
#include "kernels/low_rank.cu"
#include "kernels/adapter_backward.cu"
#undef add_row_products
#undef load_factor_tile
#undef gpu
#undef __syncthreads
// clang-format on

namespace dorabooth::testing {
namespace {

constexpr int kBarriers = __COUNTER__ - mutation::kBeforeFirst - 1;

// More than one tile of columns, block of ranks and chunk of tokens.
constexpr int64_t kTokens = 70;
constexpr int64_t kIn = 264;
constexpr int64_t kOut = 272;
constexpr int64_t kRank = 20;
constexpr float kScale = 1.5f;

size_t count_of(int64_t a, int64_t b = 1) { return static_cast<size_t>(a * b); }

// A layer's numbers: x [tokens, in], A, B, m/n, W·x and dy [tokens, out].
struct Layer {
  std::vector<float> x = normal_values("x", count_of(kTokens, kIn));
  std::vector<float> a = normal_values("A", count_of(kRank, kIn), 0.1f);
  std::vector<float> b = normal_values("B", count_of(kOut, kRank), 0.3f);
  std::vector<float> product = normal_values("product", count_of(kTokens, kOut));
  std::vector<float> dy = normal_values("dy", count_of(kTokens, kOut));
  std::vector<float> gain = normal_values("gain", count_of(kOut));
  std::vector<float> norm = std::vector<float>(count_of(kOut), 2.0f);
};

template <typename T>
struct Results {
  std::vector<T> y = std::vector<T>(count_of(kTokens, kOut));
  std::vector<T> du = std::vector<T>(count_of(kTokens, kRank));
  std::vector<T> da = std::vector<T>(count_of(kRank, kIn));
  std::vector<T> db = std::vector<T>(count_of(kOut, kRank));
  std::vector<T> dm = std::vector<T>(count_of(kOut));
};

// y = g∘(p + s·B·u), u = A·x; du = s·(dy∘g)·B, dA = duᵀ·x, dB = s·(dy∘g)ᵀ·u, dm = Σ dy∘y / m.
Results<double> exact_results(const Layer& in) {
  Results<double> want;
  std::vector<double> u(count_of(kTokens, kRank));
  const auto at = [](const std::vector<float>& values, int64_t i) {
    return static_cast<double>(values[count_of(i)]);
  };
  for (int64_t t = 0; t < kTokens; ++t) {
    for (int64_t k = 0; k < kRank; ++k) {
      for (int64_t i = 0; i < kIn; ++i) {
        u[count_of(t * kRank + k)] += at(in.a, k * kIn + i) * at(in.x, t * kIn + i);
      }
    }
    for (int64_t o = 0; o < kOut; ++o) {
      double update = 0;
      const double dyg = at(in.dy, t * kOut + o) * at(in.gain, o);
      for (int64_t k = 0; k < kRank; ++k) {
        update += at(in.b, o * kRank + k) * u[count_of(t * kRank + k)];
        want.du[count_of(t * kRank + k)] += kScale * dyg * at(in.b, o * kRank + k);
        want.db[count_of(o * kRank + k)] += kScale * dyg * u[count_of(t * kRank + k)];
      }
      const double v = at(in.product, t * kOut + o) + kScale * update;
      want.y[count_of(t * kOut + o)] = at(in.gain, o) * v;
      want.dm[count_of(o)] += at(in.dy, t * kOut + o) * v / at(in.norm, o);
    }
    for (int64_t k = 0; k < kRank; ++k) {
      for (int64_t i = 0; i < kIn; ++i) {
        want.da[count_of(k * kIn + i)] += want.du[count_of(t * kRank + k)] * at(in.x, t * kIn + i);
      }
    }
  }
  return want;
}

Results<float> mutated_results(const Layer& in) {
  Results<float> got;
  std::vector<float> u(count_of(kTokens, kRank));
  NarrowProductArgs down;
  down.wide = in.x.data();
  down.factor = {in.a.data(), kRank, false};
  down.tokens = kTokens;
  down.columns = kIn;
  down.narrow = u.data();
  down.narrow_stride = kRank;
  mutated_gpu::narrow_product(down);

  ComposeForwardArgs compose;
  compose.base = got.y.data();
  compose.source = in.product.data();
  compose.narrow = {u.data(), kRank};
  compose.factor = {in.b.data(), kRank, true};
  compose.gain = in.gain.data();
  compose.scale = kScale;
  compose.tokens = kTokens;
  compose.out = kOut;
  mutated_gpu::compose_forward(compose);

  std::vector<float> m(count_of(kOut)), dyg(count_of(kTokens, kOut));
  for (size_t o = 0; o < m.size(); ++o) m[o] = in.gain[o] * in.norm[o];
  std::vector<double> sums(count_of(compose_backward_workspace(kTokens, kOut)));
  std::vector<float> parts(
      count_of(mutated_gpu::adapter_backward_workspace(kTokens, kIn, kOut, kRank)));
  AdapterBackwardArgs args;
  args.compose.dy = in.dy.data();
  args.compose.value = got.y.data();
  args.compose.gain = in.gain.data();
  args.compose.divisor = m.data();
  args.compose.norm = in.norm.data();
  args.compose.tokens = kTokens;
  args.compose.out = kOut;
  args.compose.dyg = dyg.data();
  args.compose.dm = got.dm.data();
  args.compose.workspace = sums.data();
  args.x = in.x.data();
  args.in = kIn;
  args.rank = kRank;
  args.u = {u.data(), kRank};
  args.up = in.b.data();
  args.scale = kScale;
  args.du = got.du.data();
  args.du_stride = kRank;
  args.d_down = got.da.data();
  args.d_up = got.db.data();
  args.workspace = parts.data();
  mutated_gpu::adapter_backward(args);
  return got;
}

bool near(const std::vector<float>& got, const std::vector<double>& want) {
  double largest = 0;
  for (const double value : want) largest = std::max(largest, std::fabs(value));
  for (size_t i = 0; i < want.size(); ++i) {
    if (!(std::fabs(static_cast<double>(got[i]) - want[i]) <= 1e-4 * largest)) return false;
  }
  return true;
}

// In how many of the three lane orders the results are those of double precision.
int right_orders(const Layer& in, const Results<double>& want, int removed) {
  int right = 0;
  for (const simt::Order order :
       {simt::Order::kForward, simt::Order::kReverse, simt::Order::kShuffled}) {
    const simt::OrderScope scope(order);
    mutation::removed = removed;
    try {
      const Results<float> got = mutated_results(in);
      right += near(got.y, want.y) && near(got.du, want.du) && near(got.da, want.da) &&
               near(got.db, want.db) && near(got.dm, want.dm);
    } catch (const std::logic_error&) {  // threads that no longer meet
    }
    mutation::removed = -1;
  }
  return right;
}

TEST(BarrierMutation, EveryBarrierOfTheKernelsIsMissedInSomeLaneOrder) {
  const Layer in;
  const Results<double> want = exact_results(in);
  ASSERT_EQ(right_orders(in, want, -1), 3) << "with all barriers";
  EXPECT_GE(kBarriers, 7);
  for (int removed = 0; removed < kBarriers; ++removed) {
    EXPECT_LT(right_orders(in, want, removed), 3) << "without barrier " << removed;
  }
}

}  // namespace
}  // namespace dorabooth::testing
