// The merge against double precision: both magnitude axes, both strength rules, every pair of
// types.
#include <cmath>

#include "tests/kernels/core_harness.h"

namespace dorabooth::testing::merge_kernels_test {
namespace {

struct Merge {
  int64_t rows, columns, rank;
  MagnitudeAxis axis;
  float scale, blend;
};

struct Operands {
  std::vector<float> weight, down, up, magnitude, column_norms;
};

Operands operands(const Merge& merge, ElementType type) {
  const auto size = [](int64_t n) { return static_cast<size_t>(n); };
  Operands in;
  in.weight = rounded(type, normal_values("weight", size(merge.rows * merge.columns), 0.05f));
  in.down = normal_values("down", size(merge.rank * merge.columns), 0.25f);
  in.up = normal_values("up", size(merge.rows * merge.rank), 0.05f);
  const bool by_row = merge.axis == MagnitudeAxis::kOutput;
  in.magnitude = normal_values("magnitude", size(by_row ? merge.rows : merge.columns), 0.1f);
  for (float& m : in.magnitude) m += 0.4f;
  in.column_norms = normal_values("norms", size(merge.columns), 0.1f);
  for (float& n : in.column_norms) n = std::fabs(n) + 0.3f;
  return in;
}

std::vector<double> exact_merge(const Merge& merge, const Operands& in) {
  std::vector<double> out(static_cast<size_t>(merge.rows * merge.columns));
  for (int64_t j = 0; j < merge.rows; ++j) {
    std::vector<double> v(static_cast<size_t>(merge.columns));
    double square = 0;
    for (int64_t i = 0; i < merge.columns; ++i) {
      double delta = 0;
      for (int64_t k = 0; k < merge.rank; ++k) {
        delta += static_cast<double>(in.up[static_cast<size_t>(j * merge.rank + k)]) *
                 static_cast<double>(in.down[static_cast<size_t>(k * merge.columns + i)]);
      }
      const auto at = static_cast<size_t>(i);
      v[at] = static_cast<double>(in.weight[static_cast<size_t>(j * merge.columns + i)]) +
              static_cast<double>(merge.scale) * delta;
      square += v[at] * v[at];
    }
    for (int64_t i = 0; i < merge.columns; ++i) {
      const auto at = static_cast<size_t>(i);
      double d = v[at];
      if (merge.axis == MagnitudeAxis::kOutput) {
        d *= static_cast<double>(in.magnitude[static_cast<size_t>(j)]) / std::sqrt(square);
      } else if (merge.axis == MagnitudeAxis::kInput) {
        d *= static_cast<double>(in.magnitude[at]) / static_cast<double>(in.column_norms[at]);
      }
      const auto place = static_cast<size_t>(j * merge.columns + i);
      const auto w = static_cast<double>(in.weight[place]);
      out[place] = w + static_cast<double>(merge.blend) * (d - w);
    }
  }
  return out;
}

std::vector<float> run_merge(const Backend& backend, const Merge& merge, const Operands& in,
                             ElementType type, ElementType merged_type, bool in_place) {
  const auto memory = backend.memory();
  const auto count = static_cast<size_t>(merge.rows * merge.columns);
  MergeRowsArgs args;
  args.on = backend.on;
  void* weight = memory->put_as(type, in.weight);
  args.weight = weight;
  args.type = type;
  args.down = memory->put(in.down);
  args.up = memory->put(in.up);
  args.axis = merge.axis;
  args.magnitude = memory->put(in.magnitude);
  args.column_norms = memory->put(in.column_norms);
  args.scale = merge.scale;
  args.blend = merge.blend;
  args.rows = merge.rows;
  args.columns = merge.columns;
  args.rank = merge.rank;
  args.merged = in_place ? weight : memory->put_as(merged_type, std::vector<float>(count));
  args.merged_type = merged_type;
  backend.core->merge_rows(args);
  return memory->get_as(merged_type, args.merged, count);
}

constexpr MagnitudeAxis kAxes[] = {MagnitudeAxis::kNone, MagnitudeAxis::kOutput,
                                   MagnitudeAxis::kInput};

TEST(MergeRows, IsDoublePrecisionRoundedOnceInEveryPairOfTypes) {
  for (const MagnitudeAxis axis : kAxes) {
    for (const float blend : {1.0f, 0.6f}) {
      const Merge merge{6, 72, 5, axis, 2.0f, blend};
      for (const ElementType type : kTypes) {
        const Operands in = operands(merge, type);
        const std::vector<double> exact = exact_merge(merge, in);
        for (const ElementType merged_type : kTypes) {
          std::vector<float> naive(exact.begin(), exact.end());
          naive = rounded(merged_type, naive);
          for (float& value : naive)
            value *= 1.0f + 2e-7f;  // the fp32 arithmetic of the plain expression
          for (const Backend& backend : backends()) {
            SCOPED_TRACE(backend.name + ", " + type_name(type) + " to " + type_name(merged_type) +
                         ", axis " + std::to_string(static_cast<int>(axis)));
            expect_within_twice_naive(run_merge(backend, merge, in, type, merged_type, false),
                                      naive, exact, merged_type);
          }
        }
      }
    }
  }
}

TEST(MergeRows, TakesAnyShapeAndWorksInPlace) {
  for (const Merge& shape : {Merge{1, 1, 1, MagnitudeAxis::kOutput, 1.0f, 1.0f},
                             Merge{9, 33, 16, MagnitudeAxis::kOutput, 0.5f, 0.5f},
                             Merge{7, 1100, 3, MagnitudeAxis::kInput, 0.5f, 1.0f},
                             Merge{5, 96, 0, MagnitudeAxis::kOutput, 1.0f, 1.0f}}) {
    const Operands in = operands(shape, ElementType::kFloat32);
    const std::vector<double> exact = exact_merge(shape, in);
    for (const Backend& backend : backends()) {
      SCOPED_TRACE(backend.name + ", columns " + std::to_string(shape.columns));
      const auto apart =
          run_merge(backend, shape, in, ElementType::kFloat32, ElementType::kFloat32, false);
      for (size_t i = 0; i < exact.size(); ++i) {
        ASSERT_NEAR(static_cast<double>(apart[i]), exact[i], 1e-6 + 1e-6 * std::fabs(exact[i]))
            << i;
      }
      EXPECT_EQ(run_merge(backend, shape, in, ElementType::kFloat32, ElementType::kFloat32, true),
                apart);
    }
  }
}

TEST(MergeRows, BlendZeroAndZeroBGiveTheWeightBack) {
  for (const ElementType type : kTypes) {
    const Merge no_blend{5, 64, 4, MagnitudeAxis::kOutput, 1.0f, 0.0f};
    const Operands in = operands(no_blend, type);
    const Merge no_update{5, 64, 4, MagnitudeAxis::kNone, 1.0f, 1.0f};
    Operands zero = in;
    std::fill(zero.up.begin(), zero.up.end(), 0.0f);
    for (const Backend& backend : backends()) {
      SCOPED_TRACE(backend.name + ", " + type_name(type));
      EXPECT_EQ(run_merge(backend, no_blend, in, type, type, false), in.weight);
      EXPECT_EQ(run_merge(backend, no_update, zero, type, type, false), in.weight);
    }
  }
}

TEST(MergeRows, AZeroRowOrColumnStaysZero) {
  for (const MagnitudeAxis axis : {MagnitudeAxis::kOutput, MagnitudeAxis::kInput}) {
    const Merge merge{4, 16, 2, axis, 1.0f, 1.0f};
    Operands in = operands(merge, ElementType::kFloat32);
    std::fill(in.up.begin(), in.up.end(), 0.0f);
    for (size_t i = 0; i < 16; ++i)
      in.weight[axis == MagnitudeAxis::kOutput ? i : (i % 4) * 16] = 0.0f;
    if (axis == MagnitudeAxis::kInput) in.column_norms[0] = 0.0f;
    for (const Backend& backend : backends()) {
      SCOPED_TRACE(backend.name);
      const auto merged =
          run_merge(backend, merge, in, ElementType::kFloat32, ElementType::kFloat32, false);
      for (const float value : merged) ASSERT_TRUE(std::isfinite(value));
      EXPECT_EQ(merged[0], 0.0f);
    }
  }
}

}  // namespace
}  // namespace dorabooth::testing::merge_kernels_test
