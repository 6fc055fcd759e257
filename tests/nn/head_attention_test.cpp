// Attention of fp32 heads against the formula in fp64, at sizes that no tile divides.
#include "src/nn/head_attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "src/nn/attention.h"

namespace dorabooth::nn::head_attention_test {
namespace {

struct Values {
  at::Tensor y;
  at::Tensor dq;
  at::Tensor dk;
  at::Tensor dv;
};

struct Problem {
  HeadShape shape;
  at::Tensor q;
  at::Tensor k;
  at::Tensor v;
  at::Tensor dy;

  explicit Problem(const HeadShape& s, double size_of_scores = 1.0) : shape(s) {
    const int64_t width = s.heads * s.size;
    q = at::randn({s.batch, s.tokens, width}) * size_of_scores;
    k = at::randn({s.batch, s.context, width});
    v = at::randn({s.batch, s.context, width});
    dy = at::randn({s.batch, s.tokens, width});
  }

  template <typename Function>
  Values differentiate(at::ScalarType type, const Function& function) const {
    const auto leaf = [type](const at::Tensor& x) {
      return x.to(type, false, true).requires_grad_();
    };
    const at::Tensor leaves[] = {leaf(q), leaf(k), leaf(v)};
    const at::Tensor y = function(leaves[0], leaves[1], leaves[2]);
    y.backward(dy.to(type));
    return {y.detach(), leaves[0].grad(), leaves[1].grad(), leaves[2].grad()};
  }

  Values naive(at::ScalarType type) const {
    return differentiate(type,
                         [this](const at::Tensor& a, const at::Tensor& b, const at::Tensor& c) {
                           const auto split = [this](const at::Tensor& x) {
                             return x.unflatten(2, {shape.heads, shape.size}).transpose(1, 2);
                           };
                           const double scale = 1.0 / std::sqrt(static_cast<double>(shape.size));
                           return split(a)
                               .matmul(split(b).transpose(2, 3))
                               .mul(scale)
                               .softmax(-1)
                               .matmul(split(c))
                               .transpose(1, 2)
                               .flatten(2);
                         });
  }

  Values ours() const {
    return differentiate(at::kFloat,
                         [this](const at::Tensor& a, const at::Tensor& b, const at::Tensor& c) {
                           return attend(a, b, c, shape.heads, /*causal=*/false);
                         });
  }
};

double error(const at::Tensor& have, const at::Tensor& want) {
  return ((have.to(at::kDouble) - want).norm() / (want.norm() + 1e-30)).item<double>();
}

void expect_within_twice_naive(const Problem& problem) {
  const Values want = problem.naive(at::kDouble);
  const Values naive = problem.naive(at::kFloat);
  const Values have = problem.ours();
  constexpr double kRounding = 5e-7;
  EXPECT_LE(error(have.y, want.y), 2 * error(naive.y, want.y) + kRounding);
  EXPECT_LE(error(have.dq, want.dq), 2 * error(naive.dq, want.dq) + kRounding);
  EXPECT_LE(error(have.dk, want.dk), 2 * error(naive.dk, want.dk) + kRounding);
  EXPECT_LE(error(have.dv, want.dv), 2 * error(naive.dv, want.dv) + kRounding);
}

TEST(HeadAttention, EqualsTheFormulaAtRaggedSizes) {
  at::manual_seed(3);
  for (const int64_t size : {16, 32, 64, 80, 144}) {
    for (const auto& [tokens, context] : std::vector<std::pair<int64_t, int64_t>>{
             {1, 2}, {5, 77}, {48, 16}, {49, 130}, {97, 33}, {200, 64}}) {
      SCOPED_TRACE(::testing::Message() << size << ": " << tokens << " x " << context);
      expect_within_twice_naive(Problem({2, 3, tokens, context, size}));
    }
  }
}

TEST(HeadAttention, LargeScoresDoNotOverflow) {
  at::manual_seed(4);
  for (const double scale : {30.0, 1000.0}) {
    const Problem problem({1, 2, 20, 30, 32}, scale);
    const Values have = problem.ours();
    const Values want = problem.naive(at::kDouble);
    EXPECT_LT(error(have.y, want.y), 1e-3);
    for (const at::Tensor& x : {have.y, have.dq, have.dk, have.dv}) {
      EXPECT_TRUE(at::isfinite(x).all().item<bool>());
    }
  }
}

// Every row attends to itself alone: the gradient of a constant softmax is zero.
TEST(HeadAttention, OneKeyHasNoGradientOfScores) {
  if (!cpu_has_head_attention()) GTEST_SKIP() << "LibTorch's leave a rounding";
  const Values have = Problem({1, 1, 7, 1, 16}).ours();
  EXPECT_EQ(have.dq.abs().max().item<double>(), 0.0);
  EXPECT_EQ(have.dk.abs().max().item<double>(), 0.0);
}

TEST(HeadAttention, NotANumberStaysOne) {
  Problem problem({1, 1, 4, 20, 16});
  problem.q[0][2][3] = std::nan("");
  const at::NoGradGuard no_grad;
  const at::Tensor y = attend(problem.q, problem.k, problem.v, 1, false);
  EXPECT_TRUE(at::isnan(y.select(1, 2)).all().item<bool>());
  EXPECT_FALSE(at::isnan(y.select(1, 1)).any().item<bool>());
}

TEST(HeadAttention, BitsDependNeitherOnThreadsNorOnTheBatch) {
  at::manual_seed(5);
  const Problem problem({2, 3, 210, 77, 32});
  const int threads = at::get_num_threads();
  const Values want = problem.ours();
  at::set_num_threads(3);
  const Values have = problem.ours();
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(have.y, want.y));
  EXPECT_TRUE(at::equal(have.dq, want.dq));
  EXPECT_TRUE(at::equal(have.dk, want.dk));
  EXPECT_TRUE(at::equal(have.dv, want.dv));
  const at::NoGradGuard no_grad;
  const auto row = [](const at::Tensor& x) { return x.narrow(0, 1, 1); };
  EXPECT_TRUE(
      at::equal(attend(row(problem.q), row(problem.k), row(problem.v), 3, false), row(want.y)));
}

TEST(HeadAttention, QueriesAloneMayWantAGradient) {
  const Problem problem({1, 2, 9, 8, 16});
  const at::Tensor q = problem.q.clone().requires_grad_();
  attend(q, problem.k, problem.v, 2, false).backward(problem.dy);
  EXPECT_TRUE(at::equal(q.grad(), problem.ours().dq));
}

}  // namespace
}  // namespace dorabooth::nn::head_attention_test
