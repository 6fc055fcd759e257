// Full fine-tuning beside adapters: a twin run and a resumed one byte for byte, its files read back
// by the other commands.
#include <ATen/ATen.h>

#include <cmath>

#include "pipelines/analyze.h"
#include "pipelines/evaluate.h"
#include "pipelines/merge.h"
#include "pipelines/parts/tensor_store.h"
#include "pipelines/parts/training_validation.h"
#include "src/base/error.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::training_full_test {
namespace {

using Tensors = std::map<std::string, at::Tensor>;

class TrainingFull : public TrainingTest {
 protected:
  TrainingFull() {
    config_.adapter = {"full:target_modules=*"};
    config_.learning_rate = 1e-4;
    config_.max_train_steps = 3;
  }

  // The weights of a run's last checkpoint by full name, a convolution's as the models have it.
  Tensors trained(const std::string& checkpoint, const std::string& adapter = "full") const {
    Tensors weights;
    const std::string prefix = "parameter/";
    for (const auto& [name, value] :
         read_tensors(folder_.path() / checkpoint / ("state-" + adapter + ".safetensors"))) {
      if (!name.starts_with(prefix)) continue;
      weights[name.substr(prefix.size())] =
          value.dim() == 4 ? value.permute({0, 3, 1, 2}).contiguous() : value;
    }
    return weights;
  }

  static at::Tensor base_value(const std::string& parameter) {
    const Checkpoint base = Checkpoint::open(base_path());
    for (const Component component : kComponents) {
      const std::string prefix = std::string(component_name(component)) + ".";
      if (!parameter.starts_with(prefix)) continue;
      return base.weights(component).copy(parameter.substr(prefix.size()), at::kFloat,
                                          at::Device(at::kCPU));
    }
    fail("no ", parameter);
  }

  MergeRequest merging(const std::string& adapter, const std::string& into) const {
    MergeRequest request;
    request.pretrained_model_name_or_path = base_path();
    request.adapter_path = {(folder_.path() / adapter).string()};
    request.dtype = "fp32";
    request.output_dir = (folder_.path() / into).string();
    return request;
  }

  std::string refusal() {
    return message_of([&] { train_into("refused", config_); });
  }
};

TEST_F(TrainingFull, ATwinRunGivesTheBytesOfEachAlone) {
  const std::vector<std::string> adapters = {"full:target_modules=*", "lora", "dora"};
  for (const bool text : {false, true}) {
    SCOPED_TRACE(text);
    config_.train_text_encoder = text;
    config_.gradient_accumulation_steps = text ? 2 : 1;
    config_.adapter = adapters;
    train_into("twin", config_);
    EXPECT_TRUE(warnings().empty());
    const auto twin = metrics("twin");
    for (const std::string& adapter : adapters) {
      const std::string kind = adapter.substr(0, 4);
      config_.adapter = {adapter};
      train_into(kind, config_);
      EXPECT_EQ(adapter_bytes(kind), adapter_bytes("twin/" + kind)) << kind;
      EXPECT_EQ(bytes(kind + "/checkpoint-3/state-" + kind + ".safetensors"),
                bytes("twin/checkpoint-3/state-" + kind + ".safetensors"))
          << kind;
      const auto lines = metrics(kind);
      for (size_t i = 0; i < lines.size(); ++i) {
        EXPECT_EQ(lines[i]["loss"][kind], twin[i]["loss"][kind]);
      }
    }
    const Tensors weights = trained("twin/checkpoint-3");
    EXPECT_EQ(std::ranges::any_of(
                  weights, [](const auto& item) { return item.first.starts_with("text_encoder"); }),
              text);
    fs::remove_all(folder_.path() / "twin");
  }
}

TEST_F(TrainingFull, AResumedRunGivesTheSameBytesWithEveryOptimizer) {
  config_.lr_scheduler = "cosine";
  config_.lr_warmup_steps = 1;
  for (const char* optimizer :
       {"adamw", "8bit", "ema", "lion", "adafactor", "adamw_schedule_free", "prodigy"}) {
    SCOPED_TRACE(optimizer);
    const std::string name = optimizer;
    TrainConfig config = config_;
    config.adapter = {"full:target_modules=" + std::string(name == "adamw" ? "*" : "mid_block.*"),
                      "lora:rank=1"};
    config.optimizer = name == "8bit" || name == "ema" ? "adamw" : name;
    config.use_8bit_adam = name == "8bit";
    config.use_ema = name == "ema";
    if (name == "prodigy") config.learning_rate = 1;
    train_into("whole", config);
    train_into("parts", config, 2);
    config.resume_from_checkpoint = "latest";
    train_into("parts", config);
    for (const std::string file :
         {"/full/pytorch_lora_weights.safetensors", "/checkpoint-3/state-full.safetensors",
          "/lora/pytorch_lora_weights.safetensors"}) {
      EXPECT_EQ(bytes("parts" + file), bytes("whole" + file)) << file;
    }
    fs::remove_all(folder_.path() / "whole");
    fs::remove_all(folder_.path() / "parts");
  }
}

TEST_F(TrainingFull, MergingItsFileGivesTheTrainedWeights) {
  config_.train_text_encoder = true;
  config_.learning_rate = 1e-2;
  train_into("out", config_);
  Recorder silent;
  const MergeReport report = merge(merging("out", "merged"), silent, {});
  const Checkpoint merged = Checkpoint::open(report.path);
  const Tensors weights = trained("out/checkpoint-3");
  size_t changed = 0;
  for (const Component component : kComponents) {
    for (const StoredTensor& stored : merged.stored(component)) {
      const std::string name = std::string(component_name(component)) + "." + stored.name;
      const at::Tensor got =
          merged.weights(component).copy(stored.name, at::kFloat, at::Device(at::kCPU));
      const at::Tensor base = base_value(name);
      if (!weights.contains(name)) {
        EXPECT_EQ(component, Component::kVae) << name;
        EXPECT_TRUE(at::equal(got, base)) << name;
        continue;
      }
      const at::Tensor want = weights.at(name);
      ++changed;
      // SDXL reads the first text encoder before its last layer, which nothing reaches.
      const bool unread = name.starts_with("text_encoder.text_model.final_layer_norm.") ||
                          name.starts_with("text_encoder.text_model.encoder.layers.1.");
      EXPECT_EQ(at::equal(want, base), unread) << name;
      // Two roundings: of the difference, and of the sum.
      const at::Tensor bound =
          (want.to(at::kDouble).abs() + (want - base).to(at::kDouble).abs()) * std::ldexp(1, -24);
      EXPECT_TRUE(((got.to(at::kDouble) - want.to(at::kDouble)).abs() <= bound).all().item<bool>())
          << name;
    }
  }
  EXPECT_EQ(changed, weights.size());
}

TEST_F(TrainingFull, ItsHeldOutLossIsThatOfEvaluate) {
  config_.validation_split = 0.25;
  config_.validation_steps = 1;
  config_.learning_rate = 1e-3;
  config_.train_text_encoder = true;
  train_into("run", config_);
  const ImageFolder held = [&] {
    ImageFolder folder =
        read_image_folder({config_.instance_data_dir, std::nullopt, config_.instance_prompt});
    return hold_out_pictures(config_, folder);
  }();
  const fs::path alone = folder_.path() / "alone";
  fs::create_directories(alone);
  fs::copy_file(held.pictures[0].path, alone / held.pictures[0].path.filename());
  EvaluateRequest request;
  request.pretrained_model_name_or_path = base_path();
  request.device = "cpu";
  request.instance_data_dir = alone.string();
  request.instance_prompt = held.pictures[0].caption;
  request.resolution = config_.resolution;
  request.num_timesteps = 8;
  request.adapter_path = {"full=" + (folder_.path() / "run").string()};
  const EvaluateReport report = evaluate(request, recorder_, {});
  const auto lines = metrics("run");
  const double told = lines.back().at("validation_loss").at("full").get<double>();
  EXPECT_NEAR(report.rows.at(1).loss, told, 1e-6 * told);
  EXPECT_GT(std::abs(report.rows.at(0).loss - told), 1e-4 * told);
  // Each block's change, which grows from 0.
  const nlohmann::json& change = lines.back().at("weight_change").at("full");
  for (const char* block : {"unet.conv_in", "unet.mid_block", "text_encoder_2"}) {
    EXPECT_GT(change.at(block).get<double>(), 0.0) << block;
  }
}

// ΔM and ΔD (the paper's eq. 3 and 4) of one layer, vector by vector.
std::pair<double, double> change_of(const at::Tensor& before, const at::Tensor& after) {
  const auto w0 = before.accessor<float, 2>();
  const auto w = after.accessor<float, 2>();
  double magnitude = 0;
  double direction = 0;
  for (int64_t i = 0; i < before.size(0); ++i) {
    double aa = 0, bb = 0, ab = 0;
    for (int64_t j = 0; j < before.size(1); ++j) {
      aa += double{w0[i][j]} * w0[i][j];
      bb += double{w[i][j]} * w[i][j];
      ab += double{w0[i][j]} * w[i][j];
    }
    magnitude += std::abs(std::sqrt(bb) - std::sqrt(aa));
    direction += 1 - ab / std::sqrt(aa * bb);
  }
  const auto count = static_cast<double>(before.size(0));
  return {magnitude / count, direction / count};
}

TEST_F(TrainingFull, AnalyzeFollowsItsCheckpointsBesideTheAdapters) {
  config_.adapter = {"full", "lora", "dora"};
  config_.checkpointing_steps = 1;
  config_.learning_rate = 1e-3;
  train_into("out", config_);
  AnalyzeRequest request;
  request.pretrained_model_name_or_path = base_path();
  request.run = {"run=" + (folder_.path() / "out").string()};
  Recorder silent;
  const AnalyzeReport report = analyze(request, silent, {});
  ASSERT_EQ(report.series.size(), 3u);
  const ChangeSeries& full = report.series[1];
  EXPECT_EQ(full.name, "run full");
  EXPECT_EQ(full.records.size(), report.series[0].records.size());
  EXPECT_EQ(full.layers.size(), report.series[2].layers.size());
  const std::string layer = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_v";
  int64_t seen = 0;
  for (const LayerChange& record : full.records) {
    if (record.layer != layer) continue;
    ++seen;
    const at::Tensor before = base_value(layer + ".weight");
    const at::Tensor after =
        trained(concat("out/checkpoint-", record.step)).at(layer + ".weight").contiguous();
    const auto [m, d] = change_of(before, after);
    EXPECT_NEAR(record.output.magnitude, m, 1e-5 * m + 1e-9);
    EXPECT_NEAR(record.output.direction, d, 1e-5 * d + 1e-12);
    const auto [m_in, d_in] = change_of(before.t().contiguous(), after.t().contiguous());
    EXPECT_NEAR(record.input.magnitude, m_in, 1e-5 * m_in + 1e-9);
    EXPECT_NEAR(record.input.direction, d_in, 1e-5 * d_in + 1e-12);
  }
  EXPECT_EQ(seen, 3);
}

TEST_F(TrainingFull, AWholeCheckpointIsTheMergedBase) {
  config_.adapter = {"full:target_modules=*", "lora"};
  config_.full_checkpoint = "whole";
  config_.max_train_steps = 2;
  const TrainReport report = train_into("out", config_);
  EXPECT_EQ(report.adapters[0].model, (folder_.path() / "out/full/model").string());
  EXPECT_EQ(report.adapters[1].model, "");
  MergeRequest request = merging("out/full", "merged");
  request.dtype.reset();
  Recorder silent;
  merge(request, silent, {});
  const std::string weights = "/unet/diffusion_pytorch_model.safetensors";
  EXPECT_EQ(bytes("out/full/model" + weights), bytes("merged" + weights));
  EXPECT_EQ(bytes("out/checkpoint-2/full/model" + weights), bytes("merged" + weights));
  EXPECT_NO_THROW(load_bundle(folder_.path() / "out/full/model", {}));
  EXPECT_FALSE(fs::exists(folder_.path() / "out/lora/model"));
  config_.resume_from_checkpoint = "latest";
  config_.full_checkpoint = "diff";
  EXPECT_NO_THROW(train_into("out", config_));
}

TEST_F(TrainingFull, HalfPrecisionTrainsLeavesInFp32) {
  config_.mixed_precision = "bf16";
  config_.gradient_checkpointing = true;
  config_.learning_rate = 1e-6;  // below bf16's resolution
  train_into("out", config_);
  size_t moved = 0;
  const Tensors weights = trained("out/checkpoint-3");
  for (const auto& [name, value] : weights) {
    moved += at::equal(value, base_value(name)) ? 0 : 1;
    EXPECT_LT((value - base_value(name)).abs().max().item<float>(), 1e-5f) << name;
  }
  EXPECT_EQ(moved, weights.size());
}

TEST_F(TrainingFull, TargetsAreTheAttentionProjectionsUnlessTheyAreGiven) {
  config_.adapter = {"full"};
  config_.rank = 8;  // of the run's low ranks
  config_.lora_alpha = 4;
  config_.lora_dropout = 0.5;
  config_.max_train_steps = 1;
  train_into("attention", config_);
  for (const auto& [name, value] : trained("attention/checkpoint-1")) {
    EXPECT_TRUE(name.find(".to_") != std::string::npos) << name;
  }
  config_.adapter.clear();
  config_.target_modules = {"conv_in"};
  config_.adapter = {"full"};
  train_into("conv", config_);
  EXPECT_EQ(trained("conv/checkpoint-1").size(), 2u);
  config_.adapter = {"full:target_modules=conv_out.bias"};
  train_into("bias", config_);
  EXPECT_EQ(trained("bias/checkpoint-1").size(), 1u);
}

TEST_F(TrainingFull, WhatMeansNothingToItIsRefused) {
  for (const char* field : {"rank=8", "alpha=4", "dropout=0.1", "norm_axis=input",
                            "init_lora_weights=kaiming", "magnitude_only_modules=to_q"}) {
    config_.adapter = {std::string("full:") + field};
    const std::string name = std::string(field).substr(0, std::string(field).find('='));
    EXPECT_NE(refusal().find(name + " means nothing to full"), std::string::npos) << refusal();
  }
  config_.adapter = {"lora", "full"};
  config_.base_quantization = "nf4";
  EXPECT_NE(refusal().find("nf4"), std::string::npos) << refusal();
  config_.base_quantization = "none";
  config_.output_format = "peft";
  EXPECT_NE(refusal().find("--output_format peft"), std::string::npos) << refusal();
  config_.output_format = "diffusers";
  config_.init_adapter = "some.safetensors";
  EXPECT_NE(refusal().find("--init_adapter some.safetensors"), std::string::npos) << refusal();
  config_.init_adapter.reset();
  config_.adapter = {"full:target_modules=to_nothing"};
  EXPECT_NE(refusal().find("to_nothing"), std::string::npos) << refusal();
  config_.adapter = {"lora"};
  config_.full_checkpoint = "whole";
  EXPECT_NE(refusal().find("--full_checkpoint"), std::string::npos) << refusal();
}

}  // namespace
}  // namespace dorabooth::testing::training_full_test
