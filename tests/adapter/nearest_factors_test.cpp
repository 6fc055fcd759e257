// The nearest factors against a whole singular value decomposition.
#include "src/adapter/nearest_factors.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace dorabooth::nearest_factors_test {
namespace {

TEST(NearestFactors, ResidualIsThatOfTheTruncatedDecomposition) {
  at::manual_seed(2);
  for (const auto& [out, in] : {std::pair{20, 12}, {12, 20}, {16, 16}}) {
    const at::Tensor d = at::randn({out, in});
    const at::Tensor values = std::get<1>(at::linalg_svd(d.to(at::kDouble)));
    for (const int64_t rank : {1, 5, 12}) {
      const NearestFactors nearest = nearest_factors(d, rank);
      EXPECT_EQ(nearest.a.sizes(), (at::IntArrayRef{rank, in}));
      EXPECT_EQ(nearest.b.sizes(), (at::IntArrayRef{out, rank}));
      const double want = values.slice(0, rank).norm().item<double>();
      EXPECT_NEAR(nearest.residual, want, 1e-5);
      EXPECT_NEAR(nearest.norm, d.norm().item<double>(), 1e-4);
      EXPECT_NEAR((d - at::matmul(nearest.b, nearest.a)).norm().item<double>(), want, 1e-5);
    }
  }
}

TEST(NearestFactors, AMatrixOfThatRankIsKept) {
  at::manual_seed(3);
  const at::Tensor d = at::matmul(at::randn({30, 3}), at::randn({3, 18}));
  const NearestFactors nearest = nearest_factors(d, 3);
  EXPECT_LT(nearest.residual, 1e-5 * nearest.norm);
  // Both factors carry the same share.
  EXPECT_NEAR(nearest.a.norm().item<double>(), nearest.b.norm().item<double>(), 1e-3);
  const NearestFactors more = nearest_factors(d, 40);
  EXPECT_EQ(more.a.size(0), 18);
  EXPECT_LT(more.residual, 1e-5 * more.norm);
  EXPECT_TRUE(at::isfinite(more.a).all().item<bool>());
}

TEST(NearestFactors, NothingIsNothing) {
  const NearestFactors nearest = nearest_factors(at::zeros({4, 6}), 2);
  EXPECT_EQ(nearest.residual, 0.0);
  EXPECT_EQ(at::matmul(nearest.b, nearest.a).abs().max().item<double>(), 0.0);
}

}  // namespace
}  // namespace dorabooth::nearest_factors_test
