// Each algebra against its definition, index by index, and DoRA over it by the formulas of
// FORMATS.md 4.6 for both axes and strength rules.
#include "src/adapter/weight_patch.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "src/base/error.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::weight_patch_test {
namespace {

using Role = AdapterRole;
using Shape = std::vector<int64_t>;

class WeightPatchTest : public ::testing::Test {
 protected:
  void SetUp() override { at::manual_seed(7); }

  static WeightPatch patch(Algebra algebra, const Shape& shape,
                           const std::map<Role, Shape>& factors, double scale = 1.0) {
    WeightPatch result;
    result.module = "unet.x";
    result.parameter = "unet.x.weight";
    result.algebra = algebra;
    result.shape = shape;
    result.scale = scale;
    for (const auto& [role, own] : factors) result.factors[role] = at::randn(own);
    return result;
  }

  static void expect_update(const WeightPatch& patch, const at::Tensor& want) {
    check_patch(patch);
    const at::Tensor update = patch_update(patch, at::zeros(patch.shape));
    ASSERT_EQ(update.sizes(), want.sizes());
    EXPECT_LT((update - want).abs().max().item<double>(), 1e-5 * want.abs().max().item<double>());
  }
};

// f(o, i, y, x) over a whole convolution weight.
template <typename F>
at::Tensor by_index(const Shape& shape, F&& f) {
  const at::Tensor result = at::zeros(shape);
  auto numbers = result.accessor<float, 4>();
  for (int64_t o = 0; o < shape[0]; ++o)
    for (int64_t i = 0; i < shape[1]; ++i)
      for (int64_t y = 0; y < shape[2]; ++y)
        for (int64_t x = 0; x < shape[3]; ++x)
          numbers[o][i][y][x] = static_cast<float>(f(o, i, y, x));
  return result;
}

double at4(const at::Tensor& t, int64_t a, int64_t b, int64_t c, int64_t d) {
  return t[a][b][c][d].item<double>();
}
double at2(const at::Tensor& t, int64_t a, int64_t b) { return t[a][b].item<double>(); }

TEST_F(WeightPatchTest, LoconIsAConvolutionToTheRankAndAPointwiseOneFromIt) {
  const WeightPatch own = patch(Algebra::kLora, {5, 4, 3, 3},
                                {{Role::kA, {2, 4, 3, 3}}, {Role::kB, {5, 2, 1, 1}}}, 0.5);
  const at::Tensor& down = own.factors.at(Role::kA);
  const at::Tensor& up = own.factors.at(Role::kB);
  expect_update(own, by_index(own.shape, [&](int64_t o, int64_t i, int64_t y, int64_t x) {
                  double sum = 0;
                  for (int64_t r = 0; r < 2; ++r)
                    sum += at4(up, o, r, 0, 0) * at4(down, r, i, y, x);
                  return 0.5 * sum;
                }));
  // What it is for: two convolutions in a row are one with the update.
  const at::Tensor x = at::randn({1, 4, 6, 6});
  const at::Tensor two = at::conv2d(at::conv2d(x, down), up) * 0.5;
  const at::Tensor one = at::conv2d(x, patch_update(own, at::zeros(own.shape)));
  EXPECT_LT((one - two).abs().max().item<double>(), 1e-4);
}

TEST_F(WeightPatchTest, LoconInTuckerFormIsThreeConvolutionsInARow) {
  const WeightPatch own =
      patch(Algebra::kLora, {5, 4, 3, 3},
            {{Role::kA, {2, 4, 1, 1}}, {Role::kMid, {3, 2, 3, 3}}, {Role::kB, {5, 3, 1, 1}}});
  const at::Tensor& down = own.factors.at(Role::kA);
  const at::Tensor& mid = own.factors.at(Role::kMid);
  const at::Tensor& up = own.factors.at(Role::kB);
  expect_update(own, by_index(own.shape, [&](int64_t o, int64_t i, int64_t y, int64_t x) {
                  double sum = 0;
                  for (int64_t p = 0; p < 3; ++p)
                    for (int64_t q = 0; q < 2; ++q)
                      sum += at4(up, o, p, 0, 0) * at4(mid, p, q, y, x) * at4(down, q, i, 0, 0);
                  return sum;
                }));
}

TEST_F(WeightPatchTest, LohaMultipliesTwoProductsElementByElement) {
  const WeightPatch linear = patch(Algebra::kLoha, {5, 4},
                                   {{Role::kHadaW1A, {5, 2}},
                                    {Role::kHadaW1B, {2, 4}},
                                    {Role::kHadaW2A, {5, 3}},
                                    {Role::kHadaW2B, {3, 4}}},
                                   2.0);
  const at::Tensor first = linear.factors.at(Role::kHadaW1A).mm(linear.factors.at(Role::kHadaW1B));
  const at::Tensor second = linear.factors.at(Role::kHadaW2A).mm(linear.factors.at(Role::kHadaW2B));
  expect_update(linear, 2.0 * first * second);

  // Of a convolution the second factors have its window flattened.
  const WeightPatch conv = patch(Algebra::kLoha, {5, 4, 3, 3},
                                 {{Role::kHadaW1A, {5, 2}},
                                  {Role::kHadaW1B, {2, 36}},
                                  {Role::kHadaW2A, {5, 2}},
                                  {Role::kHadaW2B, {2, 36}}});
  const auto entry = [&](Role a, Role b, int64_t o, int64_t column) {
    double sum = 0;
    for (int64_t r = 0; r < 2; ++r)
      sum += at2(conv.factors.at(a), o, r) * at2(conv.factors.at(b), r, column);
    return sum;
  };
  expect_update(conv, by_index(conv.shape, [&](int64_t o, int64_t i, int64_t y, int64_t x) {
                  const int64_t column = (i * 3 + y) * 3 + x;
                  return entry(Role::kHadaW1A, Role::kHadaW1B, o, column) *
                         entry(Role::kHadaW2A, Role::kHadaW2B, o, column);
                }));
}

TEST_F(WeightPatchTest, LohaInTuckerFormHasACoreForEachProduct) {
  const WeightPatch own = patch(Algebra::kLoha, {5, 4, 3, 3},
                                {{Role::kHadaT1, {2, 2, 3, 3}},
                                 {Role::kHadaW1A, {2, 5}},
                                 {Role::kHadaW1B, {2, 4}},
                                 {Role::kHadaT2, {2, 2, 3, 3}},
                                 {Role::kHadaW2A, {2, 5}},
                                 {Role::kHadaW2B, {2, 4}}});
  const auto half = [&](Role core, Role a, Role b, int64_t o, int64_t i, int64_t y, int64_t x) {
    double sum = 0;
    for (int64_t p = 0; p < 2; ++p)
      for (int64_t q = 0; q < 2; ++q)
        sum += at4(own.factors.at(core), p, q, y, x) * at2(own.factors.at(a), p, o) *
               at2(own.factors.at(b), q, i);
    return sum;
  };
  expect_update(own, by_index(own.shape, [&](int64_t o, int64_t i, int64_t y, int64_t x) {
                  return half(Role::kHadaT1, Role::kHadaW1A, Role::kHadaW1B, o, i, y, x) *
                         half(Role::kHadaT2, Role::kHadaW2A, Role::kHadaW2B, o, i, y, x);
                }));
}

// Block (o1, i1) of the product is w1[o1][i1] times the whole second matrix.
at::Tensor blocks(const at::Tensor& first, const at::Tensor& second) {
  std::vector<at::Tensor> rows;
  for (int64_t o = 0; o < first.size(0); ++o) {
    std::vector<at::Tensor> row;
    for (int64_t i = 0; i < first.size(1); ++i) row.push_back(first[o][i] * second);
    rows.push_back(at::cat(row, 1));
  }
  return at::cat(rows, 0);
}

TEST_F(WeightPatchTest, LokrIsAKroneckerProductOfWholeOrFactoredMatrices) {
  const WeightPatch whole =
      patch(Algebra::kLokr, {6, 8}, {{Role::kLokrW1, {2, 4}}, {Role::kLokrW2, {3, 2}}});
  expect_update(whole, blocks(whole.factors.at(Role::kLokrW1), whole.factors.at(Role::kLokrW2)));
  const WeightPatch factored = patch(Algebra::kLokr, {6, 8},
                                     {{Role::kLokrW1A, {2, 1}},
                                      {Role::kLokrW1B, {1, 4}},
                                      {Role::kLokrW2A, {3, 1}},
                                      {Role::kLokrW2B, {1, 2}}},
                                     0.25);
  expect_update(
      factored,
      0.25 * blocks(factored.factors.at(Role::kLokrW1A).mm(factored.factors.at(Role::kLokrW1B)),
                    factored.factors.at(Role::kLokrW2A).mm(factored.factors.at(Role::kLokrW2B))));
}

TEST_F(WeightPatchTest, LokrOfAConvolutionMultipliesChannelsAndKeepsTheWindow) {
  const WeightPatch whole =
      patch(Algebra::kLokr, {6, 8, 3, 3}, {{Role::kLokrW1, {2, 4}}, {Role::kLokrW2, {3, 2, 3, 3}}});
  expect_update(whole, by_index(whole.shape, [&](int64_t o, int64_t i, int64_t y, int64_t x) {
                  return at2(whole.factors.at(Role::kLokrW1), o / 3, i / 2) *
                         at4(whole.factors.at(Role::kLokrW2), o % 3, i % 2, y, x);
                }));
  const WeightPatch tucker = patch(Algebra::kLokr, {6, 8, 3, 3},
                                   {{Role::kLokrW1, {2, 4}},
                                    {Role::kLokrT2, {2, 2, 3, 3}},
                                    {Role::kLokrW2A, {2, 3}},
                                    {Role::kLokrW2B, {2, 2}}});
  expect_update(tucker, by_index(tucker.shape, [&](int64_t o, int64_t i, int64_t y, int64_t x) {
                  double second = 0;
                  for (int64_t p = 0; p < 2; ++p)
                    for (int64_t q = 0; q < 2; ++q)
                      second += at4(tucker.factors.at(Role::kLokrT2), p, q, y, x) *
                                at2(tucker.factors.at(Role::kLokrW2A), p, o % 3) *
                                at2(tucker.factors.at(Role::kLokrW2B), q, i % 2);
                  return at2(tucker.factors.at(Role::kLokrW1), o / 3, i / 2) * second;
                }));
}

TEST_F(WeightPatchTest, DifferencesAddAndReplacementsInterpolate) {
  const at::Tensor base = at::randn({6});
  const WeightPatch norm = patch(Algebra::kNormDifference, {6}, {{Role::kNormDifference, {6}}});
  const at::Tensor& difference = norm.factors.at(Role::kNormDifference);
  for (const auto rule : {StrengthRule::kPeft, StrengthRule::kLerp}) {
    EXPECT_TRUE(at::allclose(patched(norm, base, 0.5, rule), base + 0.5 * difference));
  }
  const WeightPatch other = patch(Algebra::kReplacement, {6}, {{Role::kReplacement, {6}}});
  EXPECT_TRUE(at::allclose(patched(other, base, 1.0, StrengthRule::kPeft),
                           other.factors.at(Role::kReplacement), 1e-5, 1e-6));
  EXPECT_TRUE(at::allclose(patched(other, base, 0.25, StrengthRule::kLerp),
                           0.75 * base + 0.25 * other.factors.at(Role::kReplacement), 1e-5, 1e-6));
}

// m ⊙ X/‖X‖, a row or a column at a time.
at::Tensor directed(const at::Tensor& weight, const at::Tensor& m, bool input_axis) {
  const at::Tensor result = weight.clone();
  for (int64_t i = 0; i < weight.size(input_axis ? 1 : 0); ++i) {
    at::Tensor one = result.select(input_axis ? 1 : 0, i);
    one.mul_(m[i] / one.norm());
  }
  return result;
}

TEST_F(WeightPatchTest, DoraOfEveryStrengthFollowsTheFormulasOfBothRulesOnBothAxes) {
  for (const Shape& shape : {Shape{3, 4}, Shape{4, 4}, Shape{3, 4, 3, 3}, Shape{4, 4, 1, 1}}) {
    for (const bool input_axis : {false, true}) {
      const int64_t window = shape.size() == 4 ? shape[2] * shape[3] : 1;
      WeightPatch own = patch(Algebra::kLora, shape,
                              {{Role::kA, {2, shape[1] * window}}, {Role::kB, {shape[0], 2}}});
      own.magnitude = at::rand({input_axis ? shape[1] : shape[0]}) + 0.5;
      own.input_axis = input_axis;
      check_patch(own);
      const at::Tensor base = at::randn(shape);
      const at::Tensor update =
          own.factors.at(Role::kB).mm(own.factors.at(Role::kA)).reshape(shape);
      for (const double s : {0.0, 0.5, 1.0}) {
        SCOPED_TRACE(concat(shape_text(shape), input_axis ? " input " : " output ", s));
        const at::Tensor peft = directed(base + s * update, own.magnitude, input_axis);
        const at::Tensor lerp =
            base + s * (directed(base + update, own.magnitude, input_axis) - base);
        EXPECT_TRUE(at::allclose(patched(own, base, s, StrengthRule::kPeft), peft, 1e-4, 1e-5));
        EXPECT_TRUE(at::allclose(patched(own, base, s, StrengthRule::kLerp), lerp, 1e-4, 1e-5));
      }
    }
  }
}

TEST_F(WeightPatchTest, DoraLiesOverEveryAlgebra) {
  WeightPatch own =
      patch(Algebra::kLokr, {6, 8}, {{Role::kLokrW1, {2, 4}}, {Role::kLokrW2, {3, 2}}});
  own.magnitude = at::rand({6}) + 0.5;
  const at::Tensor base = at::randn({6, 8});
  const at::Tensor whole =
      base + blocks(own.factors.at(Role::kLokrW1), own.factors.at(Role::kLokrW2));
  EXPECT_TRUE(at::allclose(patched(own, base, 1.0, StrengthRule::kPeft),
                           directed(whole, own.magnitude, false), 1e-4, 1e-5));
}

TEST_F(WeightPatchTest, RowsOfZerosStay) {
  WeightPatch own = patch(Algebra::kNone, {2, 3}, {});
  own.magnitude = at::ones({2});
  at::Tensor base = at::randn({2, 3});
  base[1].zero_();
  const at::Tensor result = patched(own, base, 1.0, StrengthRule::kPeft);
  EXPECT_EQ(at::count_nonzero(result[1]).item<int64_t>(), 0);
  EXPECT_NEAR(result[0].norm().item<double>(), 1.0, 1e-6);
}

TEST_F(WeightPatchTest, FactorsThatMakeNoSuchWeightAreNamed) {
  const auto expect_refused = [](WeightPatch own, const std::string& words) {
    const std::string message = message_of([&] { check_patch(own); });
    EXPECT_NE(message.find(words), std::string::npos) << message;
    EXPECT_NE(message.find("unet.x.weight"), std::string::npos) << message;
  };
  expect_refused(
      patch(Algebra::kLora, {5, 4, 3, 3}, {{Role::kA, {2, 4, 1, 1}}, {Role::kB, {5, 2, 1, 1}}}),
      "lora_down.weight");
  expect_refused(patch(Algebra::kLora, {5, 4}, {{Role::kA, {2, 4}}}), "lora_up.weight is missing");
  expect_refused(patch(Algebra::kLoha, {5, 4},
                       {{Role::kHadaW1A, {5, 2}},
                        {Role::kHadaW1B, {2, 4}},
                        {Role::kHadaW2A, {4, 2}},
                        {Role::kHadaW2B, {2, 4}}}),
                 "hada_w2_a");
  expect_refused(patch(Algebra::kLokr, {6, 8}, {{Role::kLokrW1, {2, 4}}, {Role::kLokrW2, {2, 2}}}),
                 "no product");
  expect_refused(patch(Algebra::kLokr, {6, 8}, {{Role::kLokrW1, {2, 4}}}), "lokr_w2_a is missing");
  expect_refused(patch(Algebra::kDifference, {6, 8}, {{Role::kDifference, {8, 6}}}), "diff");
  expect_refused(patch(Algebra::kLora, {6}, {{Role::kA, {1, 6}}, {Role::kB, {1, 1}}}),
                 "matrices and convolutions");
}

}  // namespace
}  // namespace dorabooth::testing::weight_patch_test
