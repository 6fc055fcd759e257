// NF4 as storage of a frozen weight: products by blocks, bytes, any shape and dtype.
#include "src/quant/nf4.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "src/adapter/set.h"
#include "src/device/adapter_core_choice.h"

namespace dorabooth::nf4_test {
namespace {

// Larger than one block of rows.
at::Tensor large_matrix(at::ScalarType dtype) {
  at::manual_seed(3);
  return (at::randn({4100, 640}) * 0.02).to(dtype);
}

TEST(Nf4Weight, ProductsByBlocksEqualThoseOfTheDequantisedMatrix) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    SCOPED_TRACE(c10::toString(dtype));
    const Nf4Weight weight(large_matrix(dtype), true, cpu_core());
    ASSERT_LT(weight.core_row_count(), weight.out_features());
    const at::Tensor dense = weight.rows(0, weight.out_features());
    const double unit = dtype == at::kFloat ? 1e-5 : dtype == at::kHalf ? 0x1p-10 : 0x1p-7;
    const auto expect_near = [&](const at::Tensor& got, const at::Tensor& want) {
      ASSERT_EQ(got.scalar_type(), dtype);
      ASSERT_EQ(got.sizes(), want.sizes());
      const double off = (got.to(at::kFloat) - want).abs().max().item<double>();
      EXPECT_LE(off, unit * want.abs().max().item<double>());
    };
    const at::Tensor x = at::randn({2, 3, 640}).to(dtype);
    const at::Tensor bias = at::randn({4100}).to(dtype);
    const at::Tensor product = at::matmul(x.to(at::kFloat), dense.t());
    expect_near(weight.matmul(x), product);
    expect_near(weight.affine(x, bias), product + bias.to(at::kFloat));
    const at::Tensor dy = at::randn({2, 3, 4100}).to(dtype);
    expect_near(weight.matmul_transposed(dy), at::matmul(dy.to(at::kFloat), dense));
  }
}

TEST(Nf4Weight, TakesAQuarterOfHalfPrecisionAndKeepsValuesNear) {
  const at::Tensor matrix = large_matrix(at::kBFloat16);
  const Nf4Weight weight(matrix, true, cpu_core());
  const auto dense = static_cast<double>(matrix.nbytes());
  EXPECT_LT(static_cast<double>(weight.bytes()), 0.26 * dense);
  const at::Tensor off = weight.rows(0, 4100) - matrix.to(at::kFloat);
  EXPECT_LT((off.norm() / matrix.to(at::kFloat).norm()).item<double>(), 0.1);
}

TEST(Nf4Weight, RaggedShapesAndConstantMatricesStayFinite) {
  for (const auto& [out, in] : {std::pair<int64_t, int64_t>{1, 1}, {3, 5}, {7, 65}, {64, 33}}) {
    for (const at::Tensor& matrix :
         {at::zeros({out, in}), at::full({out, in}, 0.5), at::randn({out, in}) * 1e-30}) {
      for (const bool nested : {false, true}) {
        const Nf4Weight weight(matrix, nested, cpu_core());
        const at::Tensor rows = weight.rows(0, out);
        EXPECT_TRUE(at::isfinite(rows).all().item<bool>()) << out << "x" << in;
        EXPECT_TRUE(at::equal(weight.rows(out - 1, out), rows.slice(0, out - 1)));
        EXPECT_LE((rows - matrix).abs().max().item<double>(),
                  0.2 * matrix.abs().max().item<double>());
      }
    }
  }
}

struct QuantizedLayer {
  nn::Linear linear;
  explicit QuantizedLayer(at::ScalarType dtype)
      : linear(96, 80, /*bias=*/true, at::TensorOptions().dtype(dtype)) {
    at::manual_seed(5);
    linear.set_weight(std::make_shared<Nf4Weight>(at::randn({80, 96}).to(dtype), true, cpu_core()));
    linear.assign("bias", at::randn({80}).to(dtype));
  }
};

TEST(Nf4Weight, AdaptersWithZeroBGiveTheBaseBits) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    QuantizedLayer layer(dtype);
    const at::Tensor x = at::randn({2, 5, 96}).to(dtype);
    const at::Tensor base = layer.linear.forward(x);
    for (const std::string kind : {"lora", "dora"}) {
      SCOPED_TRACE(kind + " " + c10::toString(dtype));
      AdapterSpec spec;
      spec.kind = kind;
      spec.target_modules = {"to_q"};
      AdapterSet set = AdapterSet::create(spec, {{"unet.mid.to_q", &layer.linear}}, 1, cpu_core());
      const AttachScope scope = set.attach();
      EXPECT_TRUE(at::equal(layer.linear.forward(x), base));
    }
  }
}

}  // namespace
}  // namespace dorabooth::nf4_test
