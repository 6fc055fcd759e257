// Flags of diffusers' scripts that became settings: what they do to a run.
#include "pipelines/evaluate.h"
#include "pipelines/parts/tensor_store.h"
#include "pipelines/parts/trainer_options.h"
#include "pipelines/parts/training_run.h"
#include "pipelines/sample.h"
#include "src/base/error.h"
#include "src/imagefile/image_file.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::training_script_flags_test {
namespace {

class TrainingScriptFlags : public TrainingTest {
 protected:
  TrainingScriptFlags() { config_.max_train_steps = 2; }

  std::string trained(const std::string& name, const TrainConfig& config) {
    train_into(name, config);
    return adapter_bytes(name);
  }
  // Modules of the adapter file, without the tensors' roles.
  std::set<std::string> modules(const std::string& name) const {
    std::set<std::string> names;
    for (const auto& [key, tensor] :
         read_tensors(folder_.path() / name / "pytorch_lora_weights.safetensors"))
      names.insert(key.substr(0, key.find(".lora")));
    return names;
  }
  // A copy of the base's VAE whose latents are scaled by `scaling_factor`.
  std::string vae_copy(const std::string& name, double scaling_factor) const {
    const fs::path copy = folder_.path() / name;
    fs::copy(fs::path(base_path()) / "vae", copy);
    nlohmann::json values = nlohmann::json::parse(read_file(copy / "config.json"));
    values["scaling_factor"] = scaling_factor;
    fs::remove(copy / "config.json");
    write_file_atomically(copy / "config.json", values.dump());
    return copy.string();
  }
};

TEST_F(TrainingScriptFlags, ScaleLrIsAccumulationTimesBatchTimesProcesses) {
  config_.scale_lr = true;
  config_.train_batch_size = 2;
  config_.gradient_accumulation_steps = 3;
  config_.learning_rate = 0.001;
  EXPECT_DOUBLE_EQ(learning_rate_of(config_), 0.006);
  EXPECT_DOUBLE_EQ(learning_rate_of(config_, 4), 0.024);
  const std::string scaled = trained("scaled", config_);
  EXPECT_DOUBLE_EQ(metrics("scaled").back().at("lr"), 0.006);
  config_.scale_lr = false;
  config_.learning_rate = 0.006;
  EXPECT_TRUE(trained("given", config_) == scaled);
}

TEST_F(TrainingScriptFlags, ValidationEpochsArePassesOverThePictures) {
  config_.max_train_steps = 5;
  config_.train_batch_size = 2;  // two steps a pass over the four pictures
  config_.validation_split = 0;
  EXPECT_EQ(validation_interval(config_, 2), 100);
  config_.validation_epochs = 1;
  EXPECT_EQ(validation_interval(config_, 2), 2);
  config_.instance_data_dir = some_pictures(folder_.path() / "five", 5).string();
  config_.validation_split = 0.2;
  train_into("epochs", config_);
  std::vector<int64_t> steps;
  for (const nlohmann::json& line : metrics("epochs")) {
    if (line.contains("validation_loss")) steps.push_back(line.at("step"));
  }
  EXPECT_EQ(steps, (std::vector<int64_t>{2, 4, 5}));
}

TEST_F(TrainingScriptFlags, BLoraTrainsItsTwoBlocks) {
  config_.use_blora = true;
  config_.train_text_encoder = true;
  train_into("blora", config_);
  std::set<std::string> blocks;
  for (const std::string& module : modules("blora")) {
    if (module.starts_with("text_encoder")) {
      blocks.insert("text");
    } else {
      blocks.insert(module.substr(0, module.find(".transformer_blocks")));
    }
  }
  EXPECT_EQ(blocks, (std::set<std::string>{"text", "unet.up_blocks.0.attentions.0",
                                           "unet.up_blocks.0.attentions.1"}));
}

TEST_F(TrainingScriptFlags, UNetBlocksAreNamedAsTheScriptNamesThem) {
  config_.use_blora = true;
  const std::string blora = trained("blora", config_);
  config_.use_blora = false;
  config_.lora_unet_blocks = "unet.up_blocks.0.attentions.0, unet.up_blocks.0.attentions.1";
  EXPECT_TRUE(trained("named", config_) == blora);
  config_.lora_unet_blocks = "unet.up_blocks.0.attentions.0,unet.up_blocks.7.attentions.1";
  EXPECT_NE(message_of([&] { train_into("absent", config_); }).find("up_blocks.7.attentions.1"),
            std::string::npos);
}

TEST_F(TrainingScriptFlags, ClipSkipConditionsOnAnEarlierLayer) {
  const std::string plain = trained("plain", config_);
  config_.clip_skip = 0;
  EXPECT_TRUE(trained("none", config_) == plain);
  config_.clip_skip = 1;
  EXPECT_TRUE(trained("one", config_) != plain);
  // Two layers: the first encoder has no state before its first one.
  config_.clip_skip = 2;
  EXPECT_NE(message_of([&] { train_into("two", config_); }).find("clip_skip: text_encoder has 2"),
            std::string::npos);
}

TEST_F(TrainingScriptFlags, ClipSkipIsASettingOfSamplingAndEvaluationToo) {
  const auto drawn = [&](std::optional<int64_t> clip_skip) {
    SampleRequest request;
    request.pretrained_model_name_or_path = base_path();
    request.device = "cpu";
    request.prompt = {"a flat icon of apple"};
    request.num_inference_steps = 1;
    request.clip_skip = clip_skip;
    request.output_dir = (folder_.path() / concat("drawn", clip_skip.value_or(-1))).string();
    const SampleReport report = sample(request, recorder_, {});
    return decode_picture(read_file(report.pictures.at(0).path), "drawn").image.rgb_hwc;
  };
  EXPECT_TRUE(drawn(std::nullopt) == drawn(0));
  EXPECT_TRUE(drawn(0) != drawn(1));
  const auto loss = [&](int64_t clip_skip) {
    EvaluateRequest request;
    request.pretrained_model_name_or_path = base_path();
    request.device = "cpu";
    request.instance_data_dir = config_.instance_data_dir;
    request.resolution = 64;
    request.num_timesteps = 2;
    request.clip_skip = clip_skip;
    return evaluate(request, recorder_, {}).rows.at(0).loss;
  };
  EXPECT_NE(loss(0), loss(1));
}

TEST_F(TrainingScriptFlags, AnotherVaeTakesThePlaceOfTheBases) {
  const std::string plain = trained("plain", config_);
  config_.pretrained_vae_model_name_or_path = vae_copy("same", 1.0);
  EXPECT_TRUE(trained("same_vae", config_) == plain);
  config_.pretrained_vae_model_name_or_path = vae_copy("half", 0.5);
  EXPECT_TRUE(trained("other_vae", config_) != plain);
  config_.pretrained_vae_model_name_or_path = "madebyollin/sdxl-vae-fp16-fix";
  EXPECT_NE(message_of([&] { train_into("no_vae", config_); }).find("sdxl-vae-fp16-fix"),
            std::string::npos);
}

TEST_F(TrainingScriptFlags, TheInterpolationIsThatOfPicturesThatAreEnlarged) {
  for (const int64_t side : {64, 512}) {
    config_.resolution = side;
    config_.max_train_steps = 1;
    config_.image_interpolation_mode = "lanczos";
    const std::string lanczos = trained(concat("lanczos", side), config_);
    config_.image_interpolation_mode = "bilinear";
    EXPECT_EQ(trained(concat("bilinear", side), config_) == lanczos, side == 64) << side;
  }
}

TEST_F(TrainingScriptFlags, ClassPicturesAreDrawnInTheirOwnPrecision) {
  config_.with_prior_preservation = true;
  config_.class_prompt = "a flat icon of apple";
  config_.num_class_images = 1;
  const auto drawn = [&](const std::string& name) {
    config_.class_data_dir = (folder_.path() / name).string();
    train_into("run_" + name, config_);
    return bytes(name + "/class-00000.png");
  };
  const std::string fp32 = drawn("fp32");
  config_.prior_generation_precision = "fp32";
  EXPECT_TRUE(drawn("asked_fp32") == fp32);
  config_.prior_generation_precision = "bf16";
  const std::string bf16 = drawn("bf16");
  EXPECT_TRUE(bf16 != fp32);
  config_.prior_generation_precision = "no";
  config_.mixed_precision = "bf16";
  EXPECT_TRUE(drawn("trained_in_bf16") == bf16);
}

TEST_F(TrainingScriptFlags, ProdigysOwnSettingsReachIt) {
  config_.optimizer = "prodigy";
  config_.learning_rate = 100;  // its estimate grows within a few steps
  config_.adam_weight_decay = 0.1;
  config_.max_train_steps = 4;
  const std::string plain = trained("plain", config_);
  config_.prodigy_beta3 = std::sqrt(config_.adam_beta2);
  EXPECT_TRUE(trained("root", config_) == plain);
  config_.prodigy_beta3 = 0.5;
  EXPECT_TRUE(trained("beta3", config_) != plain);
  config_.prodigy_beta3.reset();
  config_.prodigy_decouple = false;
  EXPECT_TRUE(trained("coupled", config_) != plain);
}

TEST_F(TrainingScriptFlags, EdmStyleIsTheUsualLossOfAnEpsilonBase) {
  const std::string plain = trained("plain", config_);
  config_.do_edm_style_training = true;
  EXPECT_TRUE(trained("edm", config_) == plain);
  config_.prediction_type = "v_prediction";
  const std::string edm_v = trained("edm_v", config_);
  config_.do_edm_style_training = false;
  EXPECT_TRUE(trained("v", config_) != edm_v);
}

TEST_F(TrainingScriptFlags, WhatWouldBeIgnoredIsRefused) {
  using Change = void (*)(TrainConfig&);
  const std::pair<const char*, Change> refused[] = {
      {"--snr_gamma",
       [](TrainConfig& c) {
         c.do_edm_style_training = true;
         c.snr_gamma = 5;
       }},
      {"--lora_unet_blocks",
       [](TrainConfig& c) {
         c.use_blora = true;
         c.lora_unet_blocks = "unet.mid_block";
       }},
      {"--target_modules",
       [](TrainConfig& c) {
         c.use_blora = true;
         c.target_modules = {"to_q"};
       }},
      {"want names of blocks", [](TrainConfig& c) { c.lora_unet_blocks = "unet.*"; }},
  };
  for (const auto& [words, change] : refused) {
    TrainConfig config = config_;
    change(config);
    EXPECT_NE(message_of([&] { check_train_config(config); }).find(words), std::string::npos)
        << words;
  }
}

// The presets of configs/, with what a user gives beside them.
TEST(Presets, PassTheChecksAcrossSettings) {
  int presets = 0;
  for (const auto& entry : fs::directory_iterator(source_dir() / "configs")) {
    if (entry.path().extension() != ".json") continue;
    ++presets;
    TrainConfig config;
    train_fields().from_json(&config, nlohmann::json::parse(read_file(entry.path())),
                             entry.path().string());
    config.pretrained_model_name_or_path = base_path();
    config.instance_data_dir = asset_path("pictures/train").string();
    config.instance_prompt = "a photo of sks dog";
    EXPECT_NO_THROW(check_train_config(config)) << entry.path();
  }
  EXPECT_GE(presets, 9);
}

}  // namespace
}  // namespace dorabooth::testing::training_script_flags_test
