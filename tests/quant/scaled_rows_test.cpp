// int8 and fp8 as storage of a frozen weight, against the formats' definitions: error bounds from
// their steps, e4m3's 256 values, products by blocks, adapters on top.
#include "src/quant/scaled_rows.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "src/adapter/set.h"
#include "src/device/adapter_core_choice.h"
#include "src/quant/weight_storage.h"
#include "tests/support/fixtures.h"

namespace dorabooth::scaled_rows_test {
namespace {

constexpr ByteCode kCodes[] = {ByteCode::kInt8, ByteCode::kFp8E4M3};

std::string name_of(ByteCode code) { return code == ByteCode::kInt8 ? "int8" : "fp8"; }

// Rows of very different sizes; larger than one block of rows.
at::Tensor uneven_matrix(int64_t out, int64_t in) {
  at::manual_seed(3);
  return at::randn({out, in}) * at::exp(at::randn({out, 1}) * 2) * 0.02;
}

// e4m3 by its definition: sign, exponent with bias 7, three bits of mantissa; no infinity.
double e4m3_value(uint8_t code) {
  const double sign = code & 0x80 ? -1.0 : 1.0;
  const int exponent = (code >> 3) & 15;
  const int mantissa = code & 7;
  if (exponent == 15 && mantissa == 7) return std::numeric_limits<double>::quiet_NaN();
  if (exponent == 0) return sign * std::ldexp(mantissa, -9);
  return sign * std::ldexp(8 + mantissa, exponent - 10);
}

TEST(ScaledRows, Int8IsTheNearestOf255StepsOfTheRowsLargest) {
  const at::Tensor w = uneven_matrix(1100, 96);
  const ScaledRowsWeight weight(w, ByteCode::kInt8);
  const at::Tensor rows = weight.rows(0, 1100);
  const auto value = w.accessor<float, 2>();
  const auto stored = rows.accessor<float, 2>();
  for (int64_t i = 0; i < 1100; ++i) {
    double largest = 0;
    for (int64_t j = 0; j < 96; ++j) largest = std::max(largest, std::fabs(double{value[i][j]}));
    const double step = largest / 127;
    for (int64_t j = 0; j < 96; ++j) {
      const double off = double{stored[i][j]} - double{value[i][j]};
      ASSERT_LE(std::fabs(off), step * (0.5 + 1e-4)) << i << "," << j;
      const double steps = double{stored[i][j]} / step;
      ASSERT_NEAR(steps, std::round(steps), 1e-3);
    }
  }
}

TEST(ScaledRows, Fp8IsTheNearestE4M3ValueUnderAPowerOfTwo) {
  std::vector<double> values;
  for (int code = 0; code < 256; ++code) {
    const double value = e4m3_value(static_cast<uint8_t>(code));
    if (!std::isnan(value)) values.push_back(value);
  }
  ASSERT_EQ(values.size(), 254u);
  const at::Tensor w = uneven_matrix(40, 96);
  const ScaledRowsWeight weight(w, ByteCode::kFp8E4M3);
  const at::Tensor rows = weight.rows(0, 40);
  for (int64_t i = 0; i < 40; ++i) {
    double largest = 0;
    for (int64_t j = 0; j < 96; ++j) {
      largest = std::max(largest, std::fabs(w[i][j].item<double>()));
    }
    // The largest lands in (224, 448].
    double scale = 1;
    while (largest / scale > 448) scale *= 2;
    while (largest / scale <= 224) scale /= 2;
    for (int64_t j = 0; j < 96; ++j) {
      const double want = w[i][j].item<double>() / scale;
      double nearest = 1e9;
      for (const double value : values) nearest = std::min(nearest, std::fabs(value - want));
      const double got = rows[i][j].item<double>() / scale;
      ASSERT_DOUBLE_EQ(std::fabs(got - want), nearest) << i << "," << j;
    }
  }
}

TEST(ScaledRows, Fp8KeepsThreeBitsOfEachNumberAcrossARowsRange) {
  const at::Tensor w = uneven_matrix(64, 640);
  const at::Tensor off = ScaledRowsWeight(w, ByteCode::kFp8E4M3).rows(0, 64) - w;
  // Half a step of a normal number is 2^-4 of it; below 2^-6 of the scale the step is 2^-9.
  const at::Tensor largest = w.abs().amax(1, true);
  const at::Tensor bound = at::maximum(w.abs() * 0x1p-4, largest / 224 * 0x1p-10);
  EXPECT_TRUE((off.abs() <= bound).all().item<bool>());
}

TEST(ScaledRows, DequantisingFp8RoundsNothingInBf16) {
  const at::Tensor w = uneven_matrix(64, 640);
  const ScaledRows stored = quantize_rows(w.to(at::kBFloat16), ByteCode::kFp8E4M3);
  const ScaledRowsWeight weight(w.to(at::kBFloat16), ByteCode::kFp8E4M3);
  const at::Tensor exact = stored.codes.to(at::kDouble) * stored.scale.to(at::kDouble).unsqueeze(1);
  EXPECT_TRUE(at::equal(weight.core_rows(0, 64).to(at::kDouble), exact));
}

TEST(ScaledRows, RowsHaveTheBitsOfLibTorchsConversion) {
  for (const ByteCode code : kCodes) {
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
      SCOPED_TRACE(name_of(code) + " " + c10::toString(dtype));
      const ScaledRowsWeight weight(uneven_matrix(37, 1531).to(dtype), code);
      const ScaledRows& stored = weight.stored();
      const at::Tensor want = (stored.codes.to(at::kFloat) * stored.scale.unsqueeze(1)).to(dtype);
      EXPECT_TRUE(at::equal(weight.core_rows(0, 37), want));
      EXPECT_TRUE(at::equal(weight.core_rows(5, 19), want.slice(0, 5, 19)));
    }
  }
}

TEST(ScaledRows, ProductsByBlocksEqualThoseOfTheDequantisedMatrix) {
  for (const ByteCode code : kCodes) {
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
      SCOPED_TRACE(name_of(code) + " " + c10::toString(dtype));
      at::manual_seed(4);
      const ScaledRowsWeight weight((at::randn({4100, 640}) * 0.02).to(dtype), code);
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
      const at::Tensor squares = dense.to(at::kDouble).square();
      const at::Tensor norms = weight.row_norm2().to(at::kDouble);
      EXPECT_LE(((norms - squares.sum(1)).abs() / squares.sum(1)).max().item<double>(), 1e-6);
    }
  }
}

TEST(ScaledRows, TakeAByteANumberAndFourARow) {
  for (const ByteCode code : kCodes) {
    const ScaledRowsWeight weight(at::randn({300, 640}).to(at::kBFloat16), code);
    EXPECT_EQ(weight.bytes(), 300u * 640u + 4u * 300u);
  }
}

TEST(ScaledRows, RaggedShapesZerosAndTinyNumbersStayFinite) {
  for (const ByteCode code : kCodes) {
    for (const auto& [out, in] : {std::pair<int64_t, int64_t>{1, 1}, {3, 5}, {600, 33}}) {
      for (const at::Tensor& matrix :
           {at::zeros({out, in}), at::full({out, in}, 0.5), at::full({out, in}, 448.0),
            at::randn({out, in}) * 1e-30, at::full({out, in}, 3e38)}) {
        SCOPED_TRACE(name_of(code));
        const ScaledRowsWeight weight(matrix, code);
        const at::Tensor rows = weight.rows(0, out);
        EXPECT_TRUE(at::isfinite(rows).all().item<bool>()) << out << "x" << in;
        EXPECT_TRUE(at::equal(weight.rows(out - 1, out), rows.slice(0, out - 1)));
        EXPECT_LE((rows - matrix).abs().max().item<double>(),
                  0.0626 * matrix.abs().max().item<double>());
      }
    }
  }
}

TEST(ScaledRows, NumbersThatAreNotFiniteAreRefused) {
  for (const ByteCode code : kCodes) {
    at::Tensor matrix = at::ones({3, 4});
    matrix[1][2] = std::numeric_limits<float>::infinity();
    const std::string message = testing::message_of([&] { quantize_rows(matrix, code); });
    EXPECT_NE(message.find("not finite"), std::string::npos) << message;
  }
}

class AdaptersOverBytes : public ::testing::TestWithParam<const char*> {
 protected:
  static std::unique_ptr<nn::Linear> layer(at::ScalarType dtype) {
    auto linear = std::make_unique<nn::Linear>(96, 80, true, at::TensorOptions().dtype(dtype));
    at::manual_seed(5);
    linear->set_weight(
        quantized(at::randn({80, 96}).to(dtype), parse_weight_storage(GetParam()), cpu_core()));
    linear->assign("bias", at::randn({80}).to(dtype));
    return linear;
  }
  static AdapterSet adapters(const std::string& kind, nn::Linear& linear) {
    AdapterSpec spec;
    spec.kind = kind;
    spec.rank = 4;
    spec.alpha = 6.0;
    spec.target_modules = {"to_q"};
    return AdapterSet::create(spec, {{"unet.mid.to_q", &linear}}, 1, cpu_core());
  }
};

TEST_P(AdaptersOverBytes, ZeroBGivesTheBaseBits) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    const auto linear = layer(dtype);
    const at::Tensor x = at::randn({2, 5, 96}).to(dtype);
    const at::Tensor base = linear->forward(x);
    for (const std::string kind : {"lora", "dora"}) {
      SCOPED_TRACE(kind + " " + c10::toString(dtype));
      AdapterSet set = adapters(kind, *linear);
      const AttachScope scope = set.attach();
      EXPECT_TRUE(at::equal(linear->forward(x), base));
    }
  }
}

// Equation 5 of the paper over the dequantised matrix, written out in double.
TEST_P(AdaptersOverBytes, DoraIsThePapersEquationOverTheDequantisedMatrix) {
  const auto linear = layer(at::kFloat);
  AdapterSet set = adapters("dora", *linear);
  at::Tensor a, b, m;
  for (const AdapterParameter& parameter : set.parameters()) {
    const at::NoGradGuard no_grad;
    at::Tensor value = parameter.value;
    if (parameter.name.ends_with(".B")) value.normal_(0, 0.1);
    if (parameter.name.ends_with(".m")) value.mul_(1.25);
    (parameter.name.ends_with(".A")   ? a
     : parameter.name.ends_with(".B") ? b
                                      : m) = value.detach().to(at::kDouble);
  }
  set.on_parameters_changed();
  const double scale = 6.0 / 4.0;
  const at::Tensor v = linear->weight()->rows(0, 80).to(at::kDouble) + scale * at::matmul(b, a);
  const at::Tensor merged = m.unsqueeze(1) * v / v.square().sum(1, true).sqrt();
  const AttachScope scope = set.attach();
  at::Tensor x = at::randn({7, 96}).requires_grad_();
  const at::Tensor y = linear->forward(x);
  const at::Tensor want =
      at::matmul(x.detach().to(at::kDouble), merged.t()) + linear->bias().to(at::kDouble);
  EXPECT_LE((y.detach() - want).abs().max().item<double>(), 1e-5 * want.abs().max().item<double>());
  const at::Tensor dy = at::randn({7, 80});
  y.backward(dy);
  const at::Tensor dx = at::matmul(dy.to(at::kDouble), merged);
  EXPECT_LE((x.grad() - dx).abs().max().item<double>(), 1e-5 * dx.abs().max().item<double>());
}

INSTANTIATE_TEST_SUITE_P(Storages, AdaptersOverBytes, ::testing::Values("int8", "fp8"));

}  // namespace
}  // namespace dorabooth::scaled_rows_test
