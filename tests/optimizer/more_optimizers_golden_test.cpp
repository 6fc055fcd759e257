// Lion, schedule-free AdamW, Adafactor and 8-bit AdamW against their reference packages, and the
// promise that all optimizers make: a run that was stopped goes on with the same bits.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "src/optimizer/optimizer.h"
#include "tests/support/fixtures.h"
#include "tests/support/golden_tensors.h"

namespace dorabooth::more_optimizers_golden_test {
namespace {

using nlohmann::json;
using testing::expect_close_to_largest;
using testing::fixture_json;
using testing::GoldenFile;

std::string golden(const char* name) {
  return (testing::source_dir() / "tests/golden" / name).string();
}

std::unique_ptr<Optimizer> optimizer_of(const json& settings, ParameterGroup group) {
  const std::string kind = settings.at("kind");
  const auto beta = [&](size_t i) { return settings.at("betas")[i].get<double>(); };
  group.learning_rate = settings.value("lr", 1.0);
  group.weight_decay = settings.at("weight_decay").get<double>();
  if (kind == "lion") return make_lion({group}, {beta(0), beta(1)});
  if (kind == "schedule_free") return make_schedule_free_adamw({group}, {beta(0), beta(1), 1e-8});
  if (kind == "adamw_8bit") {
    return make_adamw_8bit({group}, {beta(0), beta(1), settings.at("eps").get<double>()});
  }
  AdafactorOptions options;
  options.scale_parameter = settings.value("scale_parameter", false);
  options.relative_step = settings.value("relative_step", false);
  return make_adafactor({group}, options);
}

// One run over the reference's problem: the gradient is the distance to a target, and noise.
class Trial {
 public:
  Trial(const GoldenFile& given, const json& settings) : given_(given) {
    group_.name = "all";
    for (const auto& [key, tensor] : given.all()) {
      if (!key.starts_with("start.")) continue;
      group_.parameters.emplace_back(key.substr(6), tensor.clone().requires_grad_());
    }
    optimizer_ = optimizer_of(settings, group_);
  }

  void step(int64_t at) {
    optimizer_->zero_grad();
    for (auto& [name, parameter] : group_.parameters) {
      if (name == "c" && at < 3) continue;  // without a gradient at first
      const at::Tensor direction =
          (parameter - given_.at("target." + name)).detach() + given_.at("noise." + name)[at];
      (parameter * direction).sum().backward();
    }
    optimizer_->step();
  }

  Optimizer& optimizer() { return *optimizer_; }
  const ParameterGroup& group() const { return group_; }

 private:
  const GoldenFile& given_;
  ParameterGroup group_;
  std::unique_ptr<Optimizer> optimizer_;
};

void for_each_run(const std::function<void(const std::string&, const json&, const json&)>& body) {
  const json& numbers = fixture_json(golden("more_optimizers.json"));
  for (const auto& [name, settings] : numbers.at("optimizers").items()) {
    SCOPED_TRACE(name);
    body(name, settings, numbers);
  }
}

// Where a moment lies half way between two codes the last bit of a product decides, and the value
// goes another way by a fraction of a step from there on: of all values very few.
void expect_nearly_all_close(const at::Tensor& actual, const at::Tensor& expected,
                             const std::string& name) {
  const at::Tensor difference = (actual - expected).abs();
  const double largest = expected.abs().max().item<double>();
  EXPECT_LE((difference > 2e-6 * largest).sum().item<int64_t>(), actual.numel() / 500) << name;
  EXPECT_LE(difference.max().item<double>(), 0.02 * largest) << name;
}

TEST(MoreOptimizersGolden, EveryRunFollowsTheReference) {
  const GoldenFile given(golden("more_optimizers.safetensors"));
  for_each_run([&](const std::string& name, const json& settings, const json& numbers) {
    Trial run(given, settings);
    const auto shown = numbers.at("shown").get<std::vector<int64_t>>();
    int64_t index = 0;
    for (int64_t step = 0; step < numbers.at("steps").get<int64_t>(); ++step) {
      run.step(step);
      if (shown[static_cast<size_t>(index)] != step) continue;
      for (const auto& [parameter, value] : run.group().parameters) {
        const std::string key = name + "." + parameter;
        if (settings.at("kind") == "adamw_8bit") {
          expect_nearly_all_close(value.detach(), given.at(key)[index], key);
        } else {
          expect_close_to_largest(value.detach(), given.at(key)[index], 2e-6, key);
        }
      }
      ++index;
    }
    if (!run.optimizer().averages()) return;
    run.optimizer().use_average(true);
    for (const auto& [parameter, value] : run.group().parameters) {
      const std::string key = name + ".average." + parameter;
      expect_close_to_largest(value.detach(), given.at(key), 2e-6, key);
    }
  });
}

TEST(MoreOptimizersGolden, AResumedRunIsTheUninterruptedOne) {
  const GoldenFile given(golden("more_optimizers.safetensors"));
  for_each_run([&](const std::string&, const json& settings, const json&) {
    Trial whole(given, settings);
    for (int64_t step = 0; step < 8; ++step) whole.step(step);
    Trial first(given, settings);
    for (int64_t step = 0; step < 4; ++step) first.step(step);
    Trial second(given, settings);
    for (size_t i = 0; i < second.group().parameters.size(); ++i) {
      second.group().parameters[i].second.detach().copy_(first.group().parameters[i].second);
    }
    second.optimizer().load_state(first.optimizer().state());
    for (int64_t step = 4; step < 8; ++step) second.step(step);
    for (size_t i = 0; i < whole.group().parameters.size(); ++i) {
      EXPECT_TRUE(
          at::equal(second.group().parameters[i].second, whole.group().parameters[i].second));
    }
  });
}

TEST(MoreOptimizersGolden, TakingTheAverageOutAgainChangesNothing) {
  const GoldenFile given(golden("more_optimizers.safetensors"));
  const json& settings =
      fixture_json(golden("more_optimizers.json")).at("optimizers").at("schedule_free");
  Trial plain(given, settings);
  Trial looked_at(given, settings);
  for (int64_t step = 0; step < 8; ++step) {
    plain.step(step);
    looked_at.step(step);
    looked_at.optimizer().use_average(true);
    looked_at.optimizer().use_average(false);
  }
  for (size_t i = 0; i < plain.group().parameters.size(); ++i) {
    EXPECT_TRUE(
        at::equal(plain.group().parameters[i].second, looked_at.group().parameters[i].second));
  }
}

// The point of it: a quarter of the memory for the moments of what is large.
TEST(MoreOptimizersGolden, EightBitMomentsTakeAQuarter) {
  const GoldenFile given(golden("more_optimizers.safetensors"));
  const json& all = fixture_json(golden("more_optimizers.json")).at("optimizers");
  Trial run(given, all.at("adamw_8bit"));
  size_t bytes = 0;
  for (const auto& [name, tensor] : run.optimizer().state()) {
    if (name.starts_with("exp_avg")) bytes += tensor.nbytes();
  }
  int64_t elements = 0;
  for (const auto& [name, value] : run.group().parameters) elements += value.numel();
  EXPECT_LT(static_cast<double>(bytes), 0.28 * static_cast<double>(2 * 4 * elements));
}

}  // namespace
}  // namespace dorabooth::more_optimizers_golden_test
