// train --output_format: the adapters for the named reader, byte for byte as convert writes them,
// and what their headers tell of the training.
#include <cstdlib>

#include "pipelines/convert.h"
#include "pipelines/dry_run.h"
#include "pipelines/parts/training_metadata.h"
#include "src/base/error.h"
#include "src/tensorfile/safetensors.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::output_format_test {
namespace {

class OutputFormat : public TrainingTest {
 protected:
  OutputFormat() { config_.max_train_steps = 1; }

  // convert on the run's adapter, into another folder.
  fs::path converted(const std::string& adapter, const std::string& name) {
    ConvertRequest request;
    request.adapter_path = adapter;
    request.to = config_.output_format;
    request.pretrained_model_name_or_path = config_.pretrained_model_name_or_path;
    const fs::path place = folder_.path() / "by_command" / name;
    (request.to == "peft" ? request.output_dir : request.output) = place.string();
    Recorder silent;
    convert(request, silent, {});
    return place;
  }

  std::map<std::string, std::string> metadata_of(const std::string& path) const {
    return SafetensorsFile(path).metadata();
  }
};

TEST_F(OutputFormat, DiffusersIsTheFileThatIsAlwaysThere) {
  const TrainReport report = train_into("out", config_);
  EXPECT_EQ(report.adapters.at(0).converted, "");
  for (const auto& entry : fs::directory_iterator(folder_.path() / "out")) {
    const std::string name = entry.path().filename().string();
    if (entry.path().extension() == ".safetensors") {
      EXPECT_EQ(name, "pytorch_lora_weights.safetensors");
    }
  }
}

TEST_F(OutputFormat, ATwinRunWritesBothForComfyUiAsConvertDoes) {
  config_.adapter = {"both"};
  config_.output_format = "comfyui";
  const TrainReport report = train_into("out", config_);
  ASSERT_EQ(report.adapters.size(), 2u);
  for (const TrainedAdapter& adapter : report.adapters) {
    const std::string name = adapter.name + "_comfyui.safetensors";
    EXPECT_EQ(adapter.converted, (folder_.path() / "out" / adapter.name / name).string());
    EXPECT_EQ(read_file(adapter.converted), read_file(converted(adapter.path, name)));
  }
  EXPECT_NE(read_file(report.adapters[1].converted).find("dora_scale"), std::string::npos);
}

TEST_F(OutputFormat, TheOthersAreWrittenAsConvertDoesToo) {
  config_.use_dora = true;
  config_.train_text_encoder = true;
  for (const char* format : {"kohya", "kohya-sgm", "peft"}) {
    config_.output_format = format;
    const std::string run = std::string("out_") + format;
    const TrainReport report = train_into(run, config_);
    const TrainedAdapter& adapter = report.adapters.at(0);
    const std::string name =
        run + "_" + format + (config_.output_format == "peft" ? "" : ".safetensors");
    EXPECT_EQ(adapter.converted, (folder_.path() / run / name).string());
    const fs::path want = converted(adapter.path, name);
    std::vector<fs::path> files = {""};
    if (config_.output_format == "peft") {
      files.clear();
      for (const char* component : {"unet", "text_encoder", "text_encoder_2"}) {
        files.push_back(fs::path(component) / "adapter_config.json");
        files.push_back(fs::path(component) / "adapter_model.safetensors");
      }
    }
    for (const fs::path& file : files) {
      const auto in = [&](const fs::path& place) { return file.empty() ? place : place / file; };
      EXPECT_EQ(read_file(in(adapter.converted)), read_file(in(want))) << format << " " << file;
    }
  }
}

TEST_F(OutputFormat, TheTrainingsStepsAreNotMixedWithTheConversions) {
  config_.output_format = "comfyui";
  config_.use_dora = true;
  train_into("out", config_);
  for (const StartedEvent& started : recorder_.all<StartedEvent>())
    EXPECT_NE(started.what, "measure norms");
  const auto saved = recorder_.all<SavedEvent>();
  EXPECT_EQ(saved.back().path, (folder_.path() / "out" / "out_comfyui.safetensors").string());
}

TEST_F(OutputFormat, WhatTheReaderCannotHoldIsRefusedBeforeTheTraining) {
  config_.use_dora = true;
  config_.dora_norm_axis = "input";
  config_.dora_norm_gradient = "full";
  config_.output_format = "peft";
  const std::string message = message_of([&] { train_into("out", config_); });
  EXPECT_NE(message.find("--output_format peft"), std::string::npos) << message;
  EXPECT_EQ(message_of([&] { dry_run(config_, recorder_, {}); }), message);
  EXPECT_FALSE(fs::exists(folder_.path() / "out"));
}

TEST_F(OutputFormat, TheHeadersTellOfTheTrainingAndCarryOver) {
  config_.output_format = "kohya-sgm";
  config_.max_train_steps = 3;
  config_.seed = 11;
  config_.learning_rate = 2e-4;
  config_.clip_skip = 1;
  config_.snr_gamma = 5.0;
  config_.lr_scheduler = "linear";
  config_.gradient_accumulation_steps = 2;
  const TrainReport report = train_into("out", config_);
  const std::map<std::string, std::string> want = {
      {"ss_steps", "3"},
      {"ss_max_train_steps", "3"},
      {"ss_num_train_images", "4"},
      {"ss_num_reg_images", "0"},
      {"ss_num_epochs", "2"},  // four pictures are two steps
      {"ss_epoch", "2"},
      {"ss_seed", "11"},
      {"ss_learning_rate", "0.0002"},
      {"ss_unet_lr", "0.0002"},
      {"ss_lr_scheduler", "linear"},
      {"ss_lr_warmup_steps", "500"},
      {"ss_optimizer", "adamw"},
      {"ss_mixed_precision", "no"},
      {"ss_gradient_accumulation_steps", "2"},
      {"ss_max_grad_norm", "1"},
      {"ss_min_snr_gamma", "5"},
      {"ss_noise_offset", "0"},
      {"ss_clip_skip", "3"},
      {"ss_resolution", "(64, 64)"},
      {"ss_sd_model_name", fs::path(base_path()).filename().string()},
      {"modelspec.resolution", "64x64"},
      {"modelspec.trigger_phrase", "a sks icon of {caption}"}};
  for (const std::string& path : {report.adapters[0].path, report.adapters[0].converted}) {
    const auto written = metadata_of(path);
    for (const auto& [key, value] : want)
      EXPECT_EQ(written.count(key) ? written.at(key) : "absent", value) << path << " " << key;
    EXPECT_EQ(written.count("ss_text_encoder_lr"), 0u);
    // Nothing that two equal runs would not share.
    for (const char* absent :
         {"modelspec.date", "ss_training_started_at", "ss_training_finished_at", "ss_session_id"}) {
      EXPECT_EQ(written.count(absent), 0u) << absent;
    }
    EXPECT_EQ(written.count("ss_sd_model_hash"), 0u);  // the base is a folder
  }
  EXPECT_EQ(metadata_of(report.adapters[0].converted).at("ss_output_name"), "out_kohya-sgm");
}

// A1111's old hash of a model: of the 64 KB behind its first MB.
TEST_F(OutputFormat, ABaseInASingleFileIsKnownByItsShortHash) {
  const fs::path base = folder_.path() / "base.safetensors";
  write_file_atomically(base, std::string(1 << 20, '\0') + "abc");
  config_.pretrained_model_name_or_path = base.string();
  auto written = training_metadata(config_, {4, 10, 4, 1e-4});
  EXPECT_EQ(written.at("ss_sd_model_hash"), "ba7816bf");  // SHA-256 of "abc"
  write_file_atomically(base, std::string(1000, 'x'));
  EXPECT_EQ(training_metadata(config_, {4, 10, 4, 1e-4}).at("ss_sd_model_hash"), "e3b0c442");
  note_step(written, 5, 4);
  EXPECT_EQ(written.at("ss_steps"), "5");
  EXPECT_EQ(written.at("ss_epoch"), "2");
  note_step(written, 4, 4);
  EXPECT_EQ(written.at("ss_epoch"), "1");
}

TEST_F(OutputFormat, TheDateIsTheOneThatTheEnvironmentGives) {
  setenv("SOURCE_DATE_EPOCH", "1767323045", 1);
  const TrainReport report = train_into("out", config_);
  setenv("SOURCE_DATE_EPOCH", "yesterday", 1);
  const std::string message = message_of([&] { train_into("other", config_); });
  unsetenv("SOURCE_DATE_EPOCH");
  const auto written = metadata_of(report.adapters.at(0).path);
  EXPECT_EQ(written.at("modelspec.date"), "2026-01-02T03:04:05Z");
  EXPECT_EQ(written.at("ss_training_started_at"), "1767323045.0");
  EXPECT_EQ(written.at("ss_training_finished_at"), "1767323045.0");
  EXPECT_NE(message.find("'yesterday'"), std::string::npos) << message;
}

}  // namespace
}  // namespace dorabooth::testing::output_format_test
