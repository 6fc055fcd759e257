// Draws from torch's CPU generators against the golden data.
#include "src/scheduler/sampling_noise.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tests/support/fixtures.h"
#include "tests/support/golden_tensors.h"

namespace dorabooth::sampling_noise_golden_test {
namespace {

using nlohmann::json;
using testing::expect_close;
using testing::fixture_json;

constexpr double kTolerance = 2e-6;

std::vector<int64_t> numbers_between(const std::string& text, char separator) {
  std::vector<int64_t> numbers;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);)
    numbers.push_back(std::stoll(part));
  return numbers;
}

void expect_values(const at::Tensor& actual, const json& expected, const std::string& name) {
  expect_close(actual.to(at::kDouble), at::tensor(expected.get<std::vector<double>>(), at::kDouble),
               kTolerance, 0, name);
}

TEST(SamplingNoiseGolden, DrawsOfAllShapesAndDtypes) {
  const std::map<std::string, at::ScalarType> dtypes = {
      {"float32", at::kFloat}, {"float16", at::kHalf}, {"bfloat16", at::kBFloat16}};
  for (const json& result : fixture_json("rng.json").at("results")) {
    const uint64_t seed = result.at("seed").get<uint64_t>();
    for (const auto& [key, expected] : result.at("randn").items()) {
      const std::string name = "seed " + std::to_string(seed) + " " + key;
      const size_t colon = key.find(':');
      const auto shape = numbers_between(key.substr(0, colon), 'x');
      TorchNoise noise({seed});
      const at::Tensor drawn = noise.draw(shape, dtypes.at(key.substr(colon + 1)));
      EXPECT_EQ(drawn.scalar_type(), dtypes.at(key.substr(colon + 1))) << name;
      const at::Tensor flat = drawn.flatten().to(at::kDouble);
      const int64_t first = static_cast<int64_t>(expected.at("first").size());
      const int64_t last = static_cast<int64_t>(expected.at("last").size());
      expect_values(flat.slice(0, 0, first), expected.at("first"), name);
      expect_values(flat.slice(0, flat.numel() - last), expected.at("last"), name);
      const double count = static_cast<double>(flat.numel());
      EXPECT_NEAR(flat.sum().item<double>(), expected.at("sum_fp64").get<double>(),
                  kTolerance * count)
          << name;
      EXPECT_NEAR(flat.square().sum().item<double>(), expected.at("sumsq_fp64").get<double>(),
                  2 * kTolerance * flat.abs().sum().item<double>())
          << name;
    }
  }
}

TEST(SamplingNoiseGolden, SequencesOfDrawsFromOneGenerator) {
  const std::string prefix = "sequence_randn_";
  for (const json& result : fixture_json("rng.json").at("results")) {
    const uint64_t seed = result.at("seed").get<uint64_t>();
    for (const auto& [key, expected] : result.at("other").items()) {
      if (!key.starts_with(prefix)) continue;
      TorchNoise noise({seed});
      const auto sizes = numbers_between(key.substr(prefix.size()), '_');
      ASSERT_EQ(sizes.size(), expected.size());
      for (size_t i = 0; i < sizes.size(); ++i) {
        expect_values(noise.draw({sizes[i]}, at::kFloat), expected[i],
                      "seed " + std::to_string(seed) + " draw " + std::to_string(i));
      }
    }
  }
}

TEST(SamplingNoiseGolden, AListOfGeneratorsDrawsARowFromEach) {
  const std::string prefix = "generator_list_";
  for (const json& result : fixture_json("rng.json").at("results")) {
    for (const auto& [key, expected] : result.at("other").items()) {
      if (!key.starts_with(prefix)) continue;
      std::vector<uint64_t> seeds;
      for (const json& row : expected) seeds.push_back(row.at("seed").get<uint64_t>());
      const auto shape = numbers_between(key.substr(prefix.size()), 'x');
      const at::Tensor drawn = TorchNoise(seeds).draw(shape, at::kFloat);
      ASSERT_EQ(drawn.size(0), static_cast<int64_t>(seeds.size()));
      for (size_t i = 0; i < seeds.size(); ++i) {
        const json& values = expected[i].at("first8");
        expect_values(drawn[static_cast<int64_t>(i)].flatten().slice(
                          0, 0, static_cast<int64_t>(values.size())),
                      values, "row of seed " + std::to_string(seeds[i]));
      }
    }
  }
}

}  // namespace
}  // namespace dorabooth::sampling_noise_golden_test
