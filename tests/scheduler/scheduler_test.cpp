// Contracts of the samplers that need no golden data.
#include "src/scheduler/scheduler.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "src/base/error.h"
#include "tests/support/fixtures.h"

namespace dorabooth::scheduler_test {
namespace {

using nlohmann::json;
using testing::message_of;

// The scheduler_config.json of a published SDXL base.
json base_config() {
  return {{"_class_name", "EulerDiscreteScheduler"},
          {"_diffusers_version", "0.19.0.dev0"},
          {"beta_start", 0.00085},
          {"beta_end", 0.012},
          {"beta_schedule", "scaled_linear"},
          {"clip_sample", false},
          {"interpolation_type", "linear"},
          {"num_train_timesteps", 1000},
          {"prediction_type", "epsilon"},
          {"sample_max_value", 1.0},
          {"set_alpha_to_one", false},
          {"skip_prk_steps", true},
          {"steps_offset", 1},
          {"timestep_spacing", "leading"},
          {"trained_betas", nullptr},
          {"use_karras_sigmas", false}};
}

SchedulerConfig parsed(const json& values) {
  return parse_scheduler_config(values, "scheduler_config.json");
}

at::Tensor sample_with(Scheduler& scheduler, int64_t steps, const at::Tensor& start) {
  scheduler.set_timesteps(steps);
  TorchNoise noise({7});
  at::Tensor x = start * scheduler.init_noise_sigma();
  for (size_t i = 0; i < scheduler.timesteps().size(); ++i) {
    x = scheduler.step(0.5 * scheduler.scale_model_input(x, i), i, x, noise);
  }
  return x;
}

TEST(Scheduler, EveryNameSamplesFromThePublishedConfig) {
  const at::Tensor start = TorchNoise({1}).draw({1, 2, 4, 4}, at::kFloat);
  for (const std::string& name : scheduler_names()) {
    const auto scheduler = make_scheduler(name, parsed(base_config()));
    const at::Tensor x = sample_with(*scheduler, 6, start);
    EXPECT_TRUE(x.isfinite().all().item<bool>()) << name;
    EXPECT_EQ(x.sizes(), start.sizes()) << name;
  }
}

TEST(Scheduler, ASecondPictureIsTheFirstOneAgain) {
  const at::Tensor start = TorchNoise({1}).draw({1, 2, 4, 4}, at::kFloat);
  for (const std::string& name : scheduler_names()) {
    const auto scheduler = make_scheduler(name, parsed(base_config()));
    const at::Tensor first = sample_with(*scheduler, 5, start);
    sample_with(*scheduler, 4, start);
    EXPECT_TRUE(at::equal(sample_with(*scheduler, 5, start), first)) << name;
  }
}

TEST(Scheduler, KeepsTheDtypeOfTheModel) {
  const at::Tensor start = TorchNoise({1}).draw({1, 2, 4, 4}, at::kBFloat16);
  for (const std::string& name : scheduler_names()) {
    const auto scheduler = make_scheduler(name, parsed(base_config()));
    EXPECT_EQ(sample_with(*scheduler, 4, start).scalar_type(), at::kBFloat16) << name;
  }
}

TEST(Scheduler, RunsOnTheDeviceOfTheSample) {
  const at::Tensor start = at::empty({1, 2, 4, 4}, at::TensorOptions(at::kMeta));
  for (const std::string& name : scheduler_names()) {
    const auto scheduler = make_scheduler(name, parsed(base_config()));
    EXPECT_TRUE(sample_with(*scheduler, 4, start).is_meta()) << name;
  }
}

TEST(Scheduler, TheNamesPickTheAlgorithm) {
  EXPECT_EQ(make_scheduler("dpmpp_2m", parsed(base_config()))->config().algorithm_type,
            "dpmsolver++");
  EXPECT_EQ(make_scheduler("dpmpp_2m_sde", parsed(base_config()))->config().algorithm_type,
            "sde-dpmsolver++");
  EXPECT_EQ(make_scheduler("dpmpp_sde", parsed(base_config()))->config().class_name,
            "DPMSolverSinglestepScheduler");
  EXPECT_EQ(make_scheduler("", parsed(base_config()))->config().class_name,
            "EulerDiscreteScheduler");
}

TEST(Scheduler, AnUnknownNameIsAnErrorWithTheNearest) {
  const std::string message = message_of([] { make_scheduler("eulr", parsed(base_config())); });
  EXPECT_NE(message.find("'eulr'"), std::string::npos) << message;
  EXPECT_NE(message.find("did you mean 'euler'"), std::string::npos) << message;
}

TEST(Scheduler, StepsOutOfOrderAreRefused) {
  const auto scheduler = make_scheduler("euler", parsed(base_config()));
  scheduler->set_timesteps(3);
  TorchNoise noise({0});
  const at::Tensor x = at::ones({1, 1, 2, 2});
  scheduler->step(x, 0, x, noise);
  EXPECT_THROW(scheduler->step(x, 2, x, noise), Error);
  scheduler->step(x, 1, x, noise);
  scheduler->step(x, 2, x, noise);
  EXPECT_THROW(scheduler->step(x, 3, x, noise), Error);
}

TEST(Scheduler, ImpossibleRequestsAreNamed) {
  EXPECT_THROW(make_scheduler("euler", parsed(base_config()))->set_timesteps(0), Error);
  EXPECT_THROW(make_scheduler("ddim", parsed(base_config()))->set_timesteps(1001), Error);
  EXPECT_THROW(make_scheduler("lcm", parsed(base_config()))->set_timesteps(51), Error);
  EXPECT_THROW(make_scheduler("euler", parsed(base_config()), {.eta = 1.0}), Error);
  json sample_prediction = base_config();
  sample_prediction["prediction_type"] = "sample";
  EXPECT_THROW(make_scheduler("pndm", parsed(sample_prediction)), Error);
  json third_order = base_config();
  third_order["solver_order"] = 3;
  const std::string message = message_of([&] { make_scheduler("dpmpp_2m", parsed(third_order)); });
  EXPECT_NE(message.find("solver_order = 3"), std::string::npos) << message;
}

TEST(SchedulerConfig, KeysOfOtherClassesGiveWayToTheClassDefaults) {
  // A file that says nothing of spacing: each class takes its own.
  json values = base_config();
  values.erase("timestep_spacing");
  EXPECT_EQ(config_for_class(parsed(values), "DDIMScheduler").timestep_spacing, "leading");
  EXPECT_EQ(config_for_class(parsed(values), "EulerDiscreteScheduler").timestep_spacing,
            "linspace");
  // Euler's file holds a key that only PNDM reads.
  EXPECT_TRUE(config_for_class(parsed(values), "PNDMScheduler").skip_prk_steps);
  EXPECT_FALSE(config_for_class(parsed(values), "EulerDiscreteScheduler").skip_prk_steps);
}

TEST(SchedulerConfig, ASettingFromTheCommandLineCountsAsGiven) {
  SchedulerConfig config = parsed(base_config());
  give_scheduler_setting(config, "use_karras_sigmas", true, "--use_karras_sigmas");
  EXPECT_TRUE(config_for_class(config, "EulerDiscreteScheduler").use_karras_sigmas);
  EXPECT_FALSE(config_for_class(config, "EulerAncestralDiscreteScheduler").use_karras_sigmas);
  EXPECT_TRUE(scheduler_class_reads("EulerDiscreteScheduler", "use_karras_sigmas"));
  EXPECT_FALSE(scheduler_class_reads("EulerAncestralDiscreteScheduler", "use_karras_sigmas"));
}

TEST(SchedulerConfig, UnsupportedOptionsAreNamed) {
  for (const auto& [key, value] : std::map<std::string, json>{{"thresholding", true},
                                                              {"use_beta_sigmas", true},
                                                              {"timestep_type", "continuous"},
                                                              {"lambda_min_clipped", -5.1},
                                                              {"predict_x0", false},
                                                              {"some_new_option", 3}}) {
    json values = base_config();
    values[key] = value;
    const std::string message = message_of([&] { parsed(values); });
    EXPECT_NE(message.find("'" + key + "'"), std::string::npos) << message;
    EXPECT_NE(message.find("scheduler_config.json"), std::string::npos) << message;
  }
  json flow = base_config();
  flow["_class_name"] = "FlowMatchEulerDiscreteScheduler";
  const std::string message = message_of([&] { make_scheduler("", parsed(flow)); });
  EXPECT_NE(message.find("FlowMatchEulerDiscreteScheduler"), std::string::npos) << message;
}

TEST(SchedulerConfig, PythonsBareInfinityIsRead) {
  const std::string text =
      "{\"_class_name\": \"DPMSolverMultistepScheduler\", \"lambda_min_clipped\": -Infinity,"
      " \"steps_offset\": 1}";
  const SchedulerConfig config = parse_scheduler_config_text(text, "scheduler_config.json");
  EXPECT_EQ(config.steps_offset, 1);
  EXPECT_EQ(config.class_name, "DPMSolverMultistepScheduler");
  EXPECT_THROW(parse_scheduler_config_text("{", "scheduler_config.json"), Error);
}

TEST(SamplingNoise, OneSeedDrawsTheBatchAndSeveralDrawARowEach) {
  const at::Tensor one = TorchNoise({3}).draw({1, 16}, at::kFloat);
  const at::Tensor two = TorchNoise({3, 4}).draw({2, 16}, at::kFloat);
  EXPECT_TRUE(at::equal(two.slice(0, 0, 1), one));
  EXPECT_TRUE(at::equal(two.slice(0, 1), TorchNoise({4}).draw({1, 16}, at::kFloat)));
  EXPECT_THROW(TorchNoise({3, 4}).draw({3, 16}, at::kFloat), Error);
  EXPECT_THROW(TorchNoise({}), Error);
}

}  // namespace
}  // namespace dorabooth::scheduler_test
