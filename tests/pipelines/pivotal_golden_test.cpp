// Pivotal tuning against a PyTorch run of the same steps (tests/golden/pivotal.json, from
// scripts/peers/fixtures/pivotal.py): ids, losses, gradient norms, and where the rows end, which
// their learning rate, weight decay, rescaling and stop decide.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "pipelines/parts/adapter_trainer.h"
#include "pipelines/parts/denoising_loss.h"
#include "src/base/error.h"
#include "src/device/adapter_core_choice.h"
#include "tests/support/fixtures.h"
#include "tests/support/golden_tensors.h"

namespace dorabooth::pivotal_golden_test {
namespace {

using nlohmann::json;
using testing::expect_close;
using testing::expect_close_to_largest;
using testing::fixture_json;
using testing::fixture_path;
using testing::GoldenFile;

std::string golden(const char* name) {
  // Another set has its own numbers.
  if (std::getenv("DORABOOTH_FIXTURES")) return fixture_path("pivotal") / name;
  return (testing::source_dir() / "tests/golden" / name).string();
}

struct Setting {
  Setting() {
    std::vector<NewToken> tokens;
    for (const std::string token : numbers.at("tokens"))
      tokens.push_back({token, static_cast<int64_t>(tokens.size()), 1});
    add_tokens(bundle, tokens);
  }

  const json& numbers = fixture_json(golden("pivotal.json"));
  GoldenFile golden_rows{golden("pivotal.safetensors")};
  GoldenFile data{"training/data.safetensors"};
  GoldenFile init{"training/init.safetensors"};
  SdxlBundle bundle = load_bundle(fixture_path("tiny_sdxl"), LoadOptions{});
};

AdapterSet unet_lora(const Setting& setting) {
  AdapterSpec spec;
  std::map<std::string, AdapterTensors> tensors;
  for (const auto& [name, value] : setting.init.all()) {
    const std::string role = name.substr(name.rfind('.') + 1);
    if (!name.starts_with("unet.") || role == "m") continue;
    AdapterTensors& own = tensors[name.substr(0, name.rfind('.'))];
    (role == "A" ? own.a : own.b) = value.clone();
    if (role == "A") spec.rank = value.size(0);
  }
  spec.alpha = static_cast<double>(spec.rank);
  for (auto& [module, own] : tensors) own.alpha = *spec.alpha;
  return AdapterSet::from_tensors(spec, setting.bundle.linear_layers(), tensors, cpu_core());
}

TrainerOptions options_of(const Setting& setting, const json& options) {
  const json& hyper = setting.numbers.at("hyper");
  TrainerOptions result;
  result.learning_rate = hyper.at("lr");
  result.text_encoder_lr = hyper.at("text_lr");
  result.weight_decay = hyper.at("wd");
  result.weight_decay_text_encoder = hyper.at("text_wd");
  result.max_grad_norm = options.contains("clip") ? hyper.at("clip").get<double>() : 0.0;
  if (options.contains("prodigy")) {
    result.optimizer = "prodigy";
    result.learning_rate = result.text_encoder_lr = 1.0;
    result.prodigy_use_bias_correction = result.prodigy_safeguard_warmup = false;
  }
  return result;
}

// `live`: the text is encoded with a gradient.
at::Tensor loss_of(const Setting& setting, int64_t step, bool live) {
  TrainingBatch batch;
  batch.latents = setting.data.at("latents_instance")[step];
  batch.noise = setting.data.at("noise_instance")[step];
  batch.timesteps = setting.data.at("timesteps_instance")[step];
  batch.instance_rows = batch.latents.size(0);
  batch.time_ids = setting.data.at("time_ids").to(at::kFloat).expand({batch.latents.size(0), 6});
  const std::vector<std::string> prompts(static_cast<size_t>(batch.instance_rows),
                                         setting.numbers.at("prompt"));
  const PromptTokens tokens = tokenize_prompts(setting.bundle, prompts, LongPrompts::kCut, Log());
  const Ddpm schedule(config_for_class(setting.bundle.scheduler, "DDPMScheduler"));
  const auto encoded = [&] {
    const at::AutoGradMode grad(live);
    return encode_tokens(setting.bundle, tokens);
  };
  return denoising_loss(*setting.bundle.unet, schedule, batch, encoded(), ObjectiveConfig());
}

void follow(const Setting& setting, const std::string& name, const json& recorded) {
  const json& options = recorded.at("options");
  const LearnedTokens tokens{
      {setting.golden_rows.at("first.clip_l"), setting.golden_rows.at("first.clip_g")},
      &setting.bundle};
  AdapterTrainer trainer(name, unet_lora(setting), options_of(setting, options), tokens);
  const AdapterTrainer::Attached scope = trainer.attach();
  const at::Tensor tables[] = {setting.bundle.text_encoder->token_table().clone(),
                               setting.bundle.text_encoder_2->token_table().clone()};
  const int64_t steps = setting.numbers.at("steps");
  const int64_t stop = options.value("stop", steps);
  for (int64_t step = 0; step < steps; ++step) {
    if (step == stop) trainer.settle_text();
    const auto index = static_cast<size_t>(step);
    const at::Tensor loss =
        loss_of(setting, options.contains("prodigy") ? 0 : step, /*live=*/step < stop);
    trainer.accumulate(loss, 1.0);
    EXPECT_NEAR(loss.item<double>(), recorded.at("losses")[index].get<double>(), 2e-5) << step;
    if (step == 0 && setting.golden_rows.contains(name + ".first_gradient.clip_l")) {
      expect_close_to_largest(trainer.tokens().clip_l.grad(),
                              setting.golden_rows.at(name + ".first_gradient.clip_l"), 1e-4, name);
      expect_close_to_largest(trainer.tokens().clip_g.grad(),
                              setting.golden_rows.at(name + ".first_gradient.clip_g"), 1e-4, name);
    }
    const double norm = trainer.step(1.0);
    if (recorded.at("grad_norms").empty()) continue;
    EXPECT_NEAR(norm, recorded.at("grad_norms")[index].get<double>(), 2e-4) << step;
  }
  EXPECT_TRUE(at::equal(setting.bundle.text_encoder->token_table(), tables[0]));
  EXPECT_TRUE(at::equal(setting.bundle.text_encoder_2->token_table(), tables[1]));
  if (recorded.contains("d")) {
    EXPECT_NEAR(*trainer.adaptation() / recorded.at("d").get<double>(), 1.0, 1e-3);
  }
  for (const auto& [which, rows] : {std::pair("clip_l", trainer.tokens().clip_l),
                                    std::pair("clip_g", trainer.tokens().clip_g)}) {
    const at::Tensor first = setting.golden_rows.at(concat("first.", which));
    const at::Tensor final = setting.golden_rows.at(concat(name, ".final.", which));
    // Relative to the way that they went.
    expect_close_to_largest(rows.detach() - first, final - first, 2e-3, concat(name, " ", which));
  }
}

TEST(PivotalGolden, IdsAreTheReferences) {
  const Setting setting;
  const PromptTokens tokens =
      tokenize_prompts(setting.bundle, {setting.numbers.at("prompt")}, LongPrompts::kCut, Log());
  EXPECT_TRUE(at::equal(tokens.ids, setting.golden_rows.at("ids")));
  EXPECT_TRUE(at::equal(tokens.ids_2, setting.golden_rows.at("ids_2")));
}

TEST(PivotalGolden, TheTablesSpreadIsTheReferences) {
  const Setting setting;
  EXPECT_NEAR(token_table_std(*setting.bundle.text_encoder),
              setting.numbers.at("std.clip_l").get<double>(), 1e-6);
  EXPECT_NEAR(token_table_std(*setting.bundle.text_encoder_2),
              setting.numbers.at("std.clip_g").get<double>(), 1e-6);
}

TEST(PivotalGolden, EveryCaseFollowsTheReference) {
  const Setting setting;
  for (const auto& [name, recorded] : setting.numbers.at("cases").items()) {
    SCOPED_TRACE(name);
    follow(setting, name, recorded);
  }
}

}  // namespace
}  // namespace dorabooth::pivotal_golden_test
