// The analysis of magnitude against direction, against numbers in double precision.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "src/adapter/weight_change.h"
#include "src/base/error.h"
#include "tests/support/fixtures.h"
#include "tests/support/golden_tensors.h"

namespace dorabooth::weight_change_golden_test {
namespace {

using testing::fixture_json;
using testing::GoldenFile;

constexpr double kTolerance = 1e-9;

struct Axis {
  const char* key;
  VectorAxis axis;
};
constexpr Axis kAxes[] = {{"out", VectorAxis::kOutput}, {"in", VectorAxis::kInput}};

TEST(WeightChangeGolden, EqualsTheReference) {
  const GoldenFile golden("analysis.safetensors");
  const auto& want = fixture_json("analysis.json");
  for (const Axis& axis : kAxes) {
    std::vector<WeightChange> all;
    std::map<int64_t, std::vector<WeightChange>> layers;
    for (const auto& record : want.at("records")) {
      const int64_t layer = record.at("layer");
      const std::string name =
          concat("layer", layer, ".step", record.at("step").get<int64_t>(), ".W");
      const WeightChange change =
          weight_change(golden.at(concat("layer", layer, ".W0")), golden.at(name), axis.axis);
      EXPECT_NEAR(change.magnitude, record.at(axis.key).at("delta_M").get<double>(), kTolerance);
      EXPECT_NEAR(change.direction, record.at(axis.key).at("delta_D").get<double>(), kTolerance);
      all.push_back(change);
      layers[layer].push_back(change);
    }
    const auto& correlation = want.at("correlation").at(axis.key);
    EXPECT_NEAR(change_trend(all).pearson, correlation.at("pearson").get<double>(), kTolerance);
    EXPECT_NEAR(change_trend(all).slope, correlation.at("slope").get<double>(), kTolerance);
    for (const auto& [layer, changes] : layers) {
      const double expected = correlation.at("pearson_per_layer").at(static_cast<size_t>(layer));
      EXPECT_NEAR(change_trend(changes).pearson, expected, kTolerance);
    }
  }
}

}  // namespace
}  // namespace dorabooth::weight_change_golden_test
