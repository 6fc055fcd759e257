// Optimizers and learning-rate schedules against the golden data.
#include "src/optimizer/optimizer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <map>
#include <type_traits>

#include "src/optimizer/lr_schedule.h"
#include "tests/support/fixtures.h"
#include "tests/support/golden_tensors.h"

namespace dorabooth::optimizer_golden_test {
namespace {

using nlohmann::json;
using testing::expect_close;
using testing::expect_close_to_largest;
using testing::fixture_json;
using testing::GoldenFile;

const char* const kTensors = "training/optimizers.safetensors";
const char* const kNumbers = "training/optimizers.json";

ProdigyOptions prodigy_options(json settings, ParameterGroup* group) {
  ProdigyOptions options;
  const auto take = [&](const char* key, auto* out) {
    if (!settings.contains(key)) return;
    *out = settings.at(key).get<std::remove_pointer_t<decltype(out)>>();
    settings.erase(key);
  };
  double growth_rate = 0;
  take("lr", &group->learning_rate);
  take("weight_decay", &group->weight_decay);
  take("decouple", &options.decouple);
  take("use_bias_correction", &options.use_bias_correction);
  take("safeguard_warmup", &options.safeguard_warmup);
  take("d0", &options.d0);
  take("d_coef", &options.d_coef);
  take("growth_rate", &growth_rate);
  if (growth_rate > 0) options.growth_rate = growth_rate;
  EXPECT_TRUE(settings.empty()) << "this test does not know " << settings;
  return options;
}

std::unique_ptr<Optimizer> optimizer_of(const json& settings, ParameterGroup group) {
  if (settings.at("kind") == "prodigy") {
    const ProdigyOptions options = prodigy_options(settings.at("kw"), &group);
    return make_prodigy({group}, options);
  }
  AdamWOptions options;
  options.beta1 = settings.at("betas")[0].get<double>();
  options.beta2 = settings.at("betas")[1].get<double>();
  options.epsilon = settings.at("eps").get<double>();
  group.learning_rate = settings.at("lr").get<double>();
  group.weight_decay = settings.at("weight_decay").get<double>();
  return make_adamw({group}, options);
}

// A parameter that has no gradient at first stays where it was.
bool has_gradient(const GoldenFile& golden, const std::string& run, const std::string& name,
                  int64_t step) {
  return !at::equal(golden.at(run + "." + name)[step], golden.at("start." + name));
}

TEST(OptimizerGolden, EveryRunFollowsTheReference) {
  const json numbers = fixture_json(kNumbers);
  const GoldenFile golden(kTensors);
  const int64_t steps = numbers.at("steps").get<int64_t>();
  for (const auto& [run, settings] : numbers.at("optimizers").items()) {
    ParameterGroup group;
    group.name = "all";
    for (const auto& [key, tensor] : golden.all()) {
      if (!key.starts_with("start.")) continue;
      group.parameters.emplace_back(key.substr(6), tensor.clone().requires_grad_());
    }
    const auto optimizer = optimizer_of(settings, group);
    const bool prodigy = settings.at("kind") == "prodigy";
    std::map<std::string, std::vector<at::Tensor>> followed;
    for (int64_t step = 0; step < steps; ++step) {
      optimizer->zero_grad();
      for (auto& [name, parameter] : group.parameters) {
        if (!has_gradient(golden, run, name, step)) continue;
        const at::Tensor direction =
            (parameter - golden.at("target." + name)).detach() + golden.at("noise." + name)[step];
        (parameter * direction).sum().backward();
      }
      const size_t index = static_cast<size_t>(step);
      if (settings.contains("clip")) {
        const double norm = optimizer->clip(settings.at("clip").get<double>());
        const double want = settings.at("grad_norm_before_clip")[index].get<double>();
        EXPECT_NEAR(norm, want, 1e-5 * want) << run << " step " << step;
      }
      optimizer->step();
      if (prodigy) {
        const double want = settings.at("d_after_step")[index].get<double>();
        EXPECT_NEAR(optimizer->adaptation().value(), want, 1e-3 * want) << run << " step " << step;
      }
      for (const auto& [name, parameter] : group.parameters) {
        followed[name].push_back(parameter.detach().clone());
      }
    }
    for (const auto& [name, values] : followed) {
      const std::string key = run + "." + name;
      if (prodigy) {
        expect_close_to_largest(at::stack(values), golden.at(key), 1e-4, key);
      } else {
        expect_close(at::stack(values), golden.at(key), 1e-5, 0, key);
      }
    }
  }
}

TEST(LrScheduleGolden, EveryValueIsTheReferences) {
  for (const auto& [name, settings] : fixture_json(kNumbers).at("lr_schedules").items()) {
    LrSchedule schedule;
    schedule.name = name;
    schedule.warmup_steps = settings.at("warmup").get<int64_t>();
    schedule.total_steps = settings.at("total").get<int64_t>();
    schedule.num_cycles = settings.value("num_cycles", schedule.num_cycles);
    schedule.power = settings.value("power", schedule.power);
    const double base = settings.at("base_lr").get<double>();
    const auto expected = settings.at("lr").get<std::vector<double>>();
    for (size_t step = 0; step < expected.size(); ++step) {
      EXPECT_NEAR(base * schedule.factor(static_cast<int64_t>(step), base), expected[step],
                  1e-12 * base)
          << name << " step " << step;
    }
  }
}

}  // namespace
}  // namespace dorabooth::optimizer_golden_test
