// What a run writes: run.json that repeats it, metrics, TensorBoard files, previews.
#include <cmath>

#include "src/base/error.h"
#include "src/imagefile/image_file.h"
#include "src/tensorfile/safetensors.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::training_output_test {
namespace {

class TrainingOutput : public TrainingTest {};

TrainConfig config_of_file(const fs::path& path) {
  TrainConfig config;
  train_fields().from_json(&config, nlohmann::json::parse(read_file(path)), path.string());
  return config;
}

TEST_F(TrainingOutput, RunJsonRepeatsTheRun) {
  config_.adapter = {"dora:rank=3,alpha=5"};
  config_.lora_dropout = 0.1;
  config_.random_flip = true;
  config_.snr_gamma = 5.0;
  config_.lr_scheduler = "linear";
  config_.lr_warmup_steps = 1;
  train_into("out", config_);
  const std::string adapter = adapter_bytes("out");
  const std::string run = bytes("out/run.json");
  const auto lines = metrics("out");
  const nlohmann::json environment = nlohmann::json::parse(run).at("_environment");
  for (const char* key : {"device", "dense_products", "threads", "cpu_capability", "libtorch"}) {
    EXPECT_TRUE(environment.contains(key)) << key;
  }
  Recorder recorder;
  train(config_of_file(out() / "run.json"), recorder, {});
  EXPECT_EQ(adapter_bytes("out"), adapter);
  EXPECT_EQ(bytes("out/run.json"), run);
  EXPECT_EQ(metrics("out"), lines);
}

TEST_F(TrainingOutput, KeysThatStartWithAnUnderscoreAreBookkeepingAndOthersErrors) {
  const nlohmann::json run = {{"rank", 7}, {"_note", "mine"}};
  TrainConfig config;
  train_fields().from_json(&config, run, "run.json");
  EXPECT_EQ(config.rank, 7);
  EXPECT_NE(message_of([&] {
              train_fields().from_json(&config, {{"learning_rat", 1}}, "run.json");
            }).find("learning_rate"),
            std::string::npos);
}

TEST_F(TrainingOutput, MetricsHaveALineAStep) {
  config_.adapter = {"both"};
  config_.lr_scheduler = "constant_with_warmup";
  config_.lr_warmup_steps = 2;
  train_into("out", config_);
  const auto lines = read_metrics(out() / "metrics.jsonl");
  ASSERT_EQ(lines.size(), 4u);
  const double rates[] = {0.0, 5e-4, 1e-3, 1e-3};
  for (size_t i = 0; i < lines.size(); ++i) {
    const nlohmann::json& line = lines[i];
    EXPECT_EQ(line["step"], i + 1);
    EXPECT_DOUBLE_EQ(line["lr"], rates[i]);
    for (const char* key : {"loss", "grad_norm"}) {
      ASSERT_EQ(line[key].size(), 2u);
      EXPECT_GT(line[key]["lora"], 0.0);
      EXPECT_GT(line[key]["dora"], 0.0);
    }
    for (const char* key : {"seconds", "images_per_second", "peak_memory_mb"}) {
      EXPECT_GT(line[key], 0.0) << key;
    }
  }
  // B starts at zero, and the first rate is 0: both see the base.
  EXPECT_EQ(lines[0]["loss"]["lora"], lines[0]["loss"]["dora"]);
  EXPECT_EQ(lines[1]["loss"]["lora"], lines[1]["loss"]["dora"]);
}

TEST_F(TrainingOutput, StepEventsTellLossRateAndTimeLeft) {
  train_into("out", config_);
  int64_t last = 0;
  for (const StepEvent& step : recorder_.all<StepEvent>()) {
    if (step.values.empty()) continue;
    EXPECT_EQ(step.step, ++last);
    EXPECT_EQ(step.total, 4);
    EXPECT_EQ(step.values[0].first, "loss/lora");
    EXPECT_GE(step.seconds_left, 0.0);
  }
  EXPECT_EQ(last, 4);
}

TEST_F(TrainingOutput, TheAdapterFileTellsWhereItComesFrom) {
  config_.lora_alpha = 3.0;
  config_.max_train_steps = 2;
  const TrainReport report = train_into("out", config_);
  ASSERT_EQ(report.adapters.size(), 1u);
  const SafetensorsFile file(report.adapters[0].path);
  EXPECT_EQ(file.metadata().at("ss_steps"), "2");
  EXPECT_EQ(file.metadata().at("modelspec.resolution"), "64x64");
  EXPECT_EQ(file.metadata().at("modelspec.trigger_phrase"), "a sks icon of {caption}");
}

// diffusers has no spelling for it: the file then has kohya's names.
TEST_F(TrainingOutput, ADoraOverTheInputAxisIsWrittenToo) {
  config_.use_dora = true;
  config_.dora_norm_axis = "input";
  config_.dora_norm_gradient = "full";
  config_.max_train_steps = 1;
  train_into("out", config_);
  EXPECT_NE(adapter_bytes("out").find("dora_scale"), std::string::npos);
}

TEST_F(TrainingOutput, EpochsCountStepsAsTheScriptsDo) {
  config_.max_train_steps.reset();
  config_.num_train_epochs = 2;
  config_.train_batch_size = 3;
  config_.gradient_accumulation_steps = 2;
  config_.repeats = 2;
  EXPECT_EQ(train_into("out", config_).steps, 2 * 2);  // 8 examples: 3 micro-batches, 2 steps
}

}  // namespace
}  // namespace dorabooth::testing::training_output_test
