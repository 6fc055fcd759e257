// Training trajectories against fixtures/training: losses of every micro-batch, gradient norms,
// learning rates and final parameters of each case, through the trainer's own loss and optimizer
// step.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "pipelines/parts/adapter_trainer.h"
#include "pipelines/parts/denoising_loss.h"
#include "src/device/adapter_core_choice.h"
#include "src/model/bundle.h"
#include "src/optimizer/lr_schedule.h"
#include "tests/support/fixtures.h"
#include "tests/support/golden_tensors.h"

namespace dorabooth::training_golden_test {
namespace {

using nlohmann::json;
using testing::expect_close;
using testing::expect_close_to_largest;
using testing::fixture_json;
using testing::fixture_path;
using testing::GoldenFile;

struct Setting {
  json training = fixture_json("training/training.json");
  GoldenFile data{"training/data.safetensors"};
  GoldenFile init{"training/init.safetensors"};
  SdxlBundle bundle = load_bundle(fixture_path("tiny_sdxl"), LoadOptions{});
  const json& hyper() const { return training.at("hyper"); }
};

// Whether a case has an option, and its text.
bool has(const json& c, const char* option) { return c.at("options").contains(option); }
bool is_dora(const json& c) { return c.at("options").value("dora", true); }
bool is_prodigy(const json& c) { return c.at("options").value("opt", "adamw") == "prodigy"; }
bool estimate_grows(const json& c) { return has(c, "fixed_batch"); }

int64_t steps_of(const Setting& setting, const json& c) {
  return c.at("options").value("steps", setting.hyper().at("steps").get<int64_t>());
}

AdapterSet initial_set(const Setting& setting, const json& c) {
  AdapterSpec spec;
  spec.kind = is_dora(c) ? "dora" : "lora";
  spec.rank = setting.hyper().at("rank");
  spec.alpha = setting.hyper().at("alpha").get<double>();
  std::map<std::string, AdapterTensors> tensors;
  for (const auto& [name, value] : setting.init.all()) {
    const size_t dot = name.rfind('.');
    const std::string module = name.substr(0, dot);
    const std::string role = name.substr(dot + 1);
    if (!has(c, "te") && !module.starts_with("unet.")) continue;
    AdapterTensors& own = tensors[module];
    own.alpha = *spec.alpha;
    if (role == "m" && !is_dora(c)) continue;
    (role == "A" ? own.a : role == "B" ? own.b : own.m) = value.clone();
  }
  return AdapterSet::from_tensors(spec, setting.bundle.linear_layers(), tensors, cpu_core());
}

TrainerOptions options_of(const Setting& setting, const json& c) {
  TrainerOptions options;
  options.learning_rate = setting.hyper().at("lr");
  options.text_encoder_lr = options.learning_rate / 2;
  options.weight_decay = setting.hyper().at("wd");
  options.weight_decay_text_encoder = options.weight_decay;
  options.max_grad_norm = has(c, "clip") ? setting.hyper().at("clip").get<double>() : 0.0;
  if (!is_prodigy(c)) {
    options.beta1 = setting.hyper().at("betas")[0];
    options.beta2 = setting.hyper().at("betas")[1];
    options.epsilon = setting.hyper().at("eps");
    return options;
  }
  // Prodigy keeps its own defaults: hyper's betas, eps and weight decay are AdamW's.
  EXPECT_EQ(setting.hyper().at("prodigy").size(), 1u) << "this test knows Prodigy's lr alone";
  options.optimizer = "prodigy";
  options.learning_rate = setting.hyper().at("prodigy").at("lr");
  options.text_encoder_lr = options.learning_rate;
  options.weight_decay = 0;
  options.weight_decay_text_encoder = 0;
  const json flags = c.at("options").value("prodigy_flags", json({true, true}));
  options.prodigy_use_bias_correction = flags[0];
  options.prodigy_safeguard_warmup = flags[1];
  return options;
}

TrainingBatch batch_of(const Setting& setting, const json& c, int64_t micro) {
  TrainingBatch batch;
  const auto rows = [&](const std::string& kind, const char* what) {
    return setting.data.at(std::string(what) + "_" + kind)[micro];
  };
  batch.latents = rows("instance", "latents");
  batch.noise = rows("instance", "noise");
  batch.timesteps = rows("instance", "timesteps");
  batch.instance_rows = batch.latents.size(0);
  if (has(c, "prior")) {
    batch.latents = at::cat({batch.latents, rows("class", "latents")});
    batch.noise = at::cat({batch.noise, rows("class", "noise")});
    batch.timesteps = at::cat({batch.timesteps, rows("class", "timesteps")});
  }
  batch.time_ids = setting.data.at("time_ids").to(at::kFloat).expand({batch.latents.size(0), 6});
  return batch;
}

PromptEmbeds embeds_of(const Setting& setting, const json& c, const TrainingBatch& batch) {
  const int64_t rows = batch.instance_rows;
  const auto repeated = [&](const at::Tensor& one) {
    std::vector<int64_t> sizes = one.sizes().vec();
    sizes[0] = rows;
    return one.expand(sizes);
  };
  if (has(c, "te")) {
    const PromptTokens tokens{repeated(setting.data.at("te1_ids")),
                              repeated(setting.data.at("te2_ids")), 1};
    return encode_tokens(setting.bundle, tokens);
  }
  PromptEmbeds embeds{repeated(setting.data.at("embeds_instance")),
                      repeated(setting.data.at("pooled_instance"))};
  if (has(c, "prior")) {
    embeds.prompt_embeds =
        at::cat({embeds.prompt_embeds, repeated(setting.data.at("embeds_class"))});
    embeds.pooled = at::cat({embeds.pooled, repeated(setting.data.at("pooled_class"))});
  }
  return embeds;
}

ObjectiveConfig objective_of(const Setting& setting, const json& c) {
  ObjectiveConfig objective;
  objective.prediction_type = c.at("options").value("pred", "epsilon");
  if (has(c, "snr")) objective.snr_gamma = setting.hyper().at("gamma").get<double>();
  objective.prior_loss_weight = setting.hyper().at("prior_weight");
  return objective;
}

// "linear" and "cosine" cases warm up; all others are constant.
LrSchedule schedule_of(const Setting& setting, const json& c) {
  LrSchedule schedule;
  schedule.name = c.at("options").value("lr", "constant");
  schedule.warmup_steps = setting.hyper().at("warmup");
  schedule.total_steps = setting.hyper().at("steps");
  return schedule;
}

void check_final_parameters(const Setting& setting, const GoldenFile& golden, AdapterSet& set) {
  double difference = 0;
  double movement = 0;
  size_t count = 0;
  for (const AdapterParameter& parameter : set.parameters()) {
    const at::Tensor want = golden.at("final." + parameter.name).to(at::kDouble);
    const at::Tensor got = parameter.value.detach().to(at::kDouble);
    difference += (got - want).square().sum().item<double>();
    movement +=
        (want - setting.init.at(parameter.name).to(at::kDouble)).square().sum().item<double>();
    ++count;
  }
  EXPECT_GT(count, 0u);
  EXPECT_LT(std::sqrt(difference / movement), 5e-3);
}

void check_first_gradient(const GoldenFile& golden, AdapterSet& set) {
  for (const AdapterParameter& parameter : set.parameters()) {
    const std::string name = "first_grad." + parameter.name;
    if (!golden.contains(name)) continue;
    expect_close_to_largest(parameter.value.grad(), golden.at(name), 3e-4, name);
  }
}

// Tolerances of losses (absolute) and of Prodigy's d (relative), as the fixtures' README has them:
// where d grows, and with the safeguards off most of all, it follows a few tiny dot products.
struct Bounds {
  double loss = 1e-5;
  double d = 1e-9;
};

Bounds bounds_of(const json& c) {
  if (!estimate_grows(c)) return {};
  return has(c, "prodigy_flags") ? Bounds{1e-2, 0.1} : Bounds{1e-4, 1e-2};
}

void check_case(const Setting& setting, const json& c) {
  const std::string name = c.at("case");
  SCOPED_TRACE(name);
  const GoldenFile golden("training/" + name + ".safetensors");
  AdapterTrainer trainer("case", initial_set(setting, c), options_of(setting, c));
  const Ddpm schedule(config_for_class(
      parse_scheduler_config(setting.training.at("noise_schedule"), "training.json"),
      "DDPMScheduler"));
  const LrSchedule lr = schedule_of(setting, c);
  const Bounds bounds = bounds_of(c);
  const double base_lr = options_of(setting, c).learning_rate;
  const int64_t accumulation = has(c, "accum") ? setting.hyper().at("accum").get<int64_t>() : 1;
  const AttachScope scope = trainer.set().attach();
  for (int64_t step = 0; step < steps_of(setting, c); ++step) {
    for (int64_t micro = step * accumulation; micro < (step + 1) * accumulation; ++micro) {
      const TrainingBatch batch = batch_of(setting, c, has(c, "fixed_batch") ? 0 : micro);
      const at::Tensor loss =
          denoising_loss(*setting.bundle.unet, schedule, batch, embeds_of(setting, c, batch),
                         objective_of(setting, c));
      const double want = c.at("losses")[static_cast<size_t>(micro)];
      EXPECT_NEAR(loss.item<double>(), want, bounds.loss) << "micro-batch " << micro;
      trainer.accumulate(loss, 1.0 / static_cast<double>(accumulation));
    }
    if (step == 0) check_first_gradient(golden, trainer.set());
    if (is_prodigy(c)) {
      const double want = c.at("prodigy_d_before_step")[static_cast<size_t>(step)];
      EXPECT_NEAR(trainer.adaptation().value(), want, bounds.d * want) << "d before step " << step;
    }
    const double factor = lr.factor(step, base_lr);
    EXPECT_NEAR(factor * base_lr, c.at("lr")[static_cast<size_t>(step)][0].get<double>(), 1e-12);
    const double norm = trainer.step(factor);
    const double want = c.at("grad_norm")[static_cast<size_t>(step)];
    // The estimate's growth is sensitive to the last bits: its cases bound losses and d alone.
    if (!estimate_grows(c)) {
      EXPECT_NEAR(norm, want, 2e-3 * want) << "gradient norm of step " << step;
    }
  }
  if (!is_prodigy(c)) {
    check_final_parameters(setting, golden, trainer.set());
    return;
  }
  const double want = c.at("prodigy_d_final");
  EXPECT_NEAR(trainer.adaptation().value(), want, bounds.d * want);
  if (estimate_grows(c)) return;
  for (const AdapterParameter& parameter : trainer.set().parameters()) {
    expect_close(parameter.value.detach(), golden.at("final." + parameter.name), 2e-6, 0.0,
                 parameter.name);
  }
}

void check_all(bool prodigy) {
  const Setting setting;
  size_t count = 0;
  for (const json& c : setting.training.at("cases")) {
    if (is_prodigy(c) != prodigy) continue;
    check_case(setting, c);
    ++count;
  }
  EXPECT_GT(count, 0u);
}

TEST(TrainingGolden, EveryAdamWCaseFollowsTheReferenceStepByStep) { check_all(false); }

TEST(TrainingGolden, EveryProdigyCaseFollowsTheReferenceStepByStep) { check_all(true); }

}  // namespace
}  // namespace dorabooth::training_golden_test
