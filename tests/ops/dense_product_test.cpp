// Half precision by way of fp32, on any machine, against fp64; and the rule that chooses it.
#include "src/ops/dense_product.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

namespace dorabooth::dense_product_test {
namespace {

// |have - want| within one rounding of `want` and what sums of `terms` products lose in fp32.
void expect_rounded_once(const at::Tensor& have, const at::Tensor& want, int64_t terms) {
  const double rounding = have.scalar_type() == at::kHalf ? std::ldexp(1, -11) : std::ldexp(1, -8);
  const double sums = 1e-6 * std::sqrt(static_cast<double>(terms));
  const at::Tensor off = (have.to(at::kDouble) - want).abs() - rounding * want.abs();
  EXPECT_LE(off.max().item<double>(), sums);
}

// 2000 columns make blocks of 524 rows; then few rows; then one row of x.
struct Shape {
  int64_t rows, in, out;
};
constexpr Shape kShapes[] = {{17, 2000, 1200}, {6, 40, 3}, {1, 1280, 900}};

TEST(DenseProduct, WidenedHalvesAreRoundedOnce) {
  at::manual_seed(4);
  for (const at::ScalarType type : {at::kBFloat16, at::kHalf}) {
    for (const Shape& shape : kShapes) {
      const at::Tensor x = at::randn({2, shape.rows, shape.in}).to(type);
      const at::Tensor scale = at::full({}, 1 / std::sqrt(static_cast<double>(shape.in)));
      const at::Tensor weight = (at::randn({shape.out, shape.in}) * scale).to(type);
      const at::Tensor bias = at::randn({shape.out}).to(type);
      const at::Tensor want = at::matmul(x.to(at::kDouble), weight.to(at::kDouble).t());
      // By rows, and as the transposed view that a backward pass gives.
      for (const at::Tensor& w : {weight, weight.t().contiguous().t()}) {
        const at::Tensor y = dense_product_by(ProductLibrary::kWidened, x, w);
        EXPECT_EQ(y.scalar_type(), type);
        ASSERT_EQ(y.sizes(), at::IntArrayRef({2, shape.rows, shape.out}));
        expect_rounded_once(y, want, shape.in);
        expect_rounded_once(widened_product(x, w, bias), want + bias.to(at::kDouble), shape.in);
      }
    }
  }
}

TEST(DenseProduct, TheRuleIsAFunctionOfTheCpu) {
  EXPECT_TRUE(cpu_multiplies(at::kFloat));
  at::manual_seed(5);
  const at::Tensor bias = at::randn({30});
  for (const at::ScalarType type : {at::kBFloat16, at::kHalf}) {
    const at::Tensor x = at::randn({9, 64}).to(type);
    const at::Tensor weight = at::randn({30, 64}).to(type);
    const auto library = cpu_multiplies(type) ? ProductLibrary::kMatmul : ProductLibrary::kWidened;
    EXPECT_TRUE(at::equal(dense_product(x, weight), dense_product_by(library, x, weight)));
    const at::Tensor affine = dense_affine(x, weight, bias.to(type));
    EXPECT_EQ(affine.scalar_type(), type);
    expect_rounded_once(
        affine,
        at::matmul(x.to(at::kDouble), weight.to(at::kDouble).t()) + bias.to(type).to(at::kDouble),
        64);
  }
  EXPECT_EQ(dense_product_rule().find("bf16: by fp32") == std::string::npos,
            cpu_multiplies(at::kBFloat16));
}

TEST(DenseProduct, NothingTimesNothing) {
  const at::Tensor none = at::empty({0, 8}, at::kHalf);
  EXPECT_EQ(dense_product(none, at::ones({5, 8}, at::kHalf)).sizes(), at::IntArrayRef({0, 5}));
}

}  // namespace
}  // namespace dorabooth::dense_product_test
