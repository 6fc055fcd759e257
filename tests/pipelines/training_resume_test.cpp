// A run that was stopped and resumed ends in the bytes of the uninterrupted one; a resume that
// would train something else is refused.
#include <ATen/Parallel.h>

#include "src/base/error.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::training_resume_test {
namespace {

class TrainingResume : public TrainingTest {
 protected:
  TrainingResume() { config_.adapter = {"both"}; }

  // Stops after `steps`, goes on, and compares with the run that was never stopped.
  void expect_resumed_equals_whole(int64_t steps) {
    train_into("whole", config_);
    const TrainReport first = train_into("parts", config_, steps);
    EXPECT_TRUE(first.stopped);
    EXPECT_EQ(first.steps, steps);
    EXPECT_TRUE(first.adapters.empty());
    TrainConfig again = config_;
    again.resume_from_checkpoint = "latest";
    const TrainReport second = train_into("parts", again);
    EXPECT_FALSE(second.stopped);
    EXPECT_EQ(warnings(), std::vector<std::string>());
    for (const char* kind : {"/lora", "/dora"}) {
      EXPECT_EQ(adapter_bytes(std::string("whole") + kind),
                adapter_bytes(std::string("parts") + kind));
    }
    EXPECT_EQ(metrics("whole"), metrics("parts"));
    EXPECT_EQ(metrics("parts").size(), static_cast<size_t>(*config_.max_train_steps));
  }

  // Two steps in OUT "parts", checkpointed.
  void stop_early() { train_into("parts", config_, 2); }

  std::string resume_error(TrainConfig changed) {
    changed.resume_from_checkpoint = "latest";
    return message_of([&] { train_into("parts", changed); });
  }
};

TEST_F(TrainingResume, GivesTheBytesOfTheUninterruptedRun) { expect_resumed_equals_whole(2); }

TEST_F(TrainingResume, AlsoWithAccumulationDropoutAndASchedule) {
  config_.gradient_accumulation_steps = 2;
  config_.lora_dropout = 0.1;
  config_.lr_scheduler = "cosine";
  config_.lr_warmup_steps = 2;
  expect_resumed_equals_whole(1);
}

TEST_F(TrainingResume, AlsoWithTextEncodersAndPriorPreservation) {
  config_.train_text_encoder = true;
  config_.with_prior_preservation = true;
  config_.class_data_dir = some_pictures(folder_.path() / "class", 2).string();
  config_.class_prompt = "an icon";
  config_.num_class_images = 2;
  config_.max_train_steps = 3;
  expect_resumed_equals_whole(2);
}

TEST_F(TrainingResume, AlsoWithEveryOtherOptimizer) {
  for (const char* optimizer : {"lion", "adafactor", "adamw_schedule_free", "8bit"}) {
    SCOPED_TRACE(optimizer);
    config_.use_8bit_adam = std::string(optimizer) == "8bit";
    config_.optimizer = config_.use_8bit_adam ? "adamw" : optimizer;
    config_.max_train_steps = 3;
    expect_resumed_equals_whole(2);
    fs::remove_all(folder_.path() / "whole");
    fs::remove_all(folder_.path() / "parts");
  }
}

TEST_F(TrainingResume, AlsoWithAMovingAverageAndUnusualNoiseAndCaptions) {
  config_.use_ema = true;
  config_.instance_prompt = "{caption}, a sks icon, flat, bright";
  config_.shuffle_caption = true;
  config_.keep_tokens = 1;
  config_.proportion_empty_prompts = 0.3;
  config_.noise_offset = 0.05;
  config_.input_perturbation = 0.1;
  config_.multires_noise_iterations = 3;
  config_.timestep_bias_strategy = "later";
  config_.timestep_bias_multiplier = 3;
  config_.loss_type = "huber";
  config_.debiased_estimation_loss = true;
  config_.rescale_betas_zero_snr = true;
  config_.prediction_type = "v_prediction";
  expect_resumed_equals_whole(2);
}

TEST_F(TrainingResume, AlsoWithProdigyAndAnFp16Base) {
  config_.optimizer = "prodigy";
  config_.learning_rate = 1.0;
  config_.mixed_precision = "fp16";
  config_.max_train_steps = 3;
  expect_resumed_equals_whole(2);
}

TEST_F(TrainingResume, TakesACheckpointByItsName) {
  config_.checkpointing_steps = 1;
  train_into("whole", config_);
  const std::string bytes = adapter_bytes("whole/dora");
  TrainConfig again = config_;
  again.resume_from_checkpoint = "checkpoint-3";
  train_into("whole", again);
  EXPECT_EQ(adapter_bytes("whole/dora"), bytes);
  EXPECT_EQ(metrics("whole").size(), 4u);
  again.resume_from_checkpoint = "checkpoint-9";
  EXPECT_EQ(message_of([&] { train_into("whole", again); }),
            "resume_from_checkpoint: no such folder: checkpoint-9");
}

TEST_F(TrainingResume, LatestWithoutACheckpointStartsAndSaysSo) {
  config_.resume_from_checkpoint = "latest";
  config_.max_train_steps = 1;
  EXPECT_EQ(train_into("fresh", config_).steps, 1);
  ASSERT_EQ(warnings().size(), 1u);
  EXPECT_NE(warnings()[0].find("no checkpoint in"), std::string::npos);
}

TEST_F(TrainingResume, RefusesOtherSettingsWithBothValues) {
  stop_early();
  TrainConfig changed = config_;
  changed.rank = 3;
  EXPECT_NE(resume_error(changed).find("it was trained with rank = 2, this run asks for 3"),
            std::string::npos);
  changed = config_;
  changed.learning_rate = 0.5;
  EXPECT_NE(resume_error(changed).find("learning_rate = 0.001, this run asks for 0.5"),
            std::string::npos);
  changed = config_;
  changed.snr_gamma = 5.0;
  EXPECT_NE(resume_error(changed).find("snr_gamma = null, this run asks for 5.0"),
            std::string::npos);
}

TEST_F(TrainingResume, RefusesOtherPicturesButAllowsAMovedFolder) {
  stop_early();
  TrainConfig moved = config_;
  moved.instance_data_dir = (folder_.path() / "moved").string();
  fs::rename(config_.instance_data_dir, moved.instance_data_dir);
  moved.resume_from_checkpoint = "latest";
  EXPECT_EQ(train_into("parts", moved, 3).steps, 3);
  fs::copy_file(asset_path("pictures/train/1f9c7.webp"), folder_.path() / "moved/zzz.webp");
  write_file_atomically(folder_.path() / "moved/zzz.txt", "waffle");
  EXPECT_NE(resume_error(moved).find("the pictures or captions are not those"), std::string::npos);
}

TEST_F(TrainingResume, MoreStepsAreFineWhereTheScheduleDoesNotFollowThem) {
  config_.validation_steps = 2;  // the shorter run's end is a validation of the longer one too
  train_into("whole", config_);
  TrainConfig shorter = config_;
  shorter.max_train_steps = 2;
  train_into("parts", shorter);
  TrainConfig longer = config_;
  longer.resume_from_checkpoint = "latest";
  train_into("parts", longer);
  EXPECT_EQ(warnings(), std::vector<std::string>());
  EXPECT_EQ(adapter_bytes("parts/dora"), adapter_bytes("whole/dora"));
  EXPECT_EQ(metrics("parts"), metrics("whole"));
  EXPECT_NE(resume_error(shorter).find("it is after step 4, this run has only 2"),
            std::string::npos);
}

TEST_F(TrainingResume, MoreStepsOfACosineAreAWarning) {
  config_.lr_scheduler = "cosine";
  config_.lr_warmup_steps = 0;
  stop_early();
  config_.max_train_steps = 5;
  config_.resume_from_checkpoint = "latest";
  train_into("parts", config_);
  ASSERT_EQ(warnings().size(), 1u);
  EXPECT_NE(warnings()[0].find("had 4 steps and now has 5, and the cosine schedule"),
            std::string::npos);
}

TEST_F(TrainingResume, AnotherNumberOfThreadsIsAWarning) {
  stop_early();
  const fs::path state = folder_.path() / "parts/checkpoint-2/training_state.json";
  nlohmann::json text = nlohmann::json::parse(read_file(state));
  text["environment"]["threads"] = 77;
  write_file_atomically(state, text.dump());
  config_.resume_from_checkpoint = "latest";
  train_into("parts", config_);
  ASSERT_EQ(warnings().size(), 1u);
  EXPECT_NE(warnings()[0].find(concat("threads was 77 and is now ", at::get_num_threads())),
            std::string::npos);
}

class TornCheckpoint : public TrainingResume {
 protected:
  TornCheckpoint() {
    config_.checkpointing_steps = 1;
    config_.max_train_steps = 3;
    train_into("whole", config_);
    train_into("parts", config_, 2);
  }

  fs::path newest() const { return folder_.path() / "parts" / "checkpoint-2"; }
  fs::path state() const { return newest() / "training_state.json"; }

  // "latest" goes on from step 1 with a warning that holds `reason`, and ends in the same bytes;
  // the checkpoint by its name is an error that holds it.
  void expect_passed_over(const std::string& reason) {
    TrainConfig again = config_;
    again.resume_from_checkpoint = "checkpoint-2";
    const std::string error = message_of([&] { train_into("parts", again); });
    EXPECT_NE(error.find("resume_from_checkpoint: " + newest().string() +
                         " is no whole checkpoint: " + reason),
              std::string::npos)
        << error;
    EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 0) << error;
    again.resume_from_checkpoint = "latest";
    EXPECT_EQ(train_into("parts", again).steps, 3);
    ASSERT_FALSE(warnings().empty());
    EXPECT_NE(warnings()[0].find(newest().string() + " is torn and passed over: " + reason),
              std::string::npos)
        << warnings()[0];
    const auto texts = recorder_.all<LogEvent>();
    EXPECT_TRUE(std::any_of(texts.begin(), texts.end(), [](const LogEvent& event) {
      return event.text.find("checkpoint-1 after step 1") != std::string::npos;
    }));
    for (const char* kind : {"/lora", "/dora"}) {
      EXPECT_TRUE(adapter_bytes(std::string("whole") + kind) ==
                  adapter_bytes(std::string("parts") + kind));
    }
    EXPECT_EQ(metrics("parts"), metrics("whole"));
  }
};

TEST_F(TornCheckpoint, WithoutItsStateFile) {
  fs::remove(state());
  expect_passed_over("it holds no training_state.json");
}

TEST_F(TornCheckpoint, WithAStateFileThatIsCutOrOfAnother) {
  for (const char* text : {"{", "[]", "{\"step\": 2}"}) {
    write_file_atomically(state(), text);
    TrainConfig again = config_;
    again.resume_from_checkpoint = "checkpoint-2";
    EXPECT_NE(message_of([&] {
                train_into("parts", again);
              }).find("training_state.json is not the state of a training run"),
              std::string::npos);
  }
  expect_passed_over(state().string() + " is not the state of a training run");
}

TEST_F(TornCheckpoint, WithATrainingStateThatIsCut) {
  fs::resize_file(newest() / "state-dora.safetensors", 1000);
  expect_passed_over("state-dora.safetensors has 1000 bytes, want ");
}

TEST_F(TornCheckpoint, WithAnAdapterThatIsCut) {
  const fs::path adapter = newest() / "lora" / "pytorch_lora_weights.safetensors";
  fs::resize_file(adapter, fs::file_size(adapter) / 2);
  expect_passed_over("lora/pytorch_lora_weights.safetensors has ");
}

TEST_F(TornCheckpoint, WithoutOneOfItsFiles) {
  fs::remove(newest() / "state-lora.safetensors");
  expect_passed_over("state-lora.safetensors: No such file");
}

// As a disk leaves a file whose blocks were never written: whole in size.
TEST_F(TornCheckpoint, WithAFileOfZeros) {
  const fs::path file = newest() / "state-dora.safetensors";
  write_file_atomically(file, std::string(fs::file_size(file), '\0'));
  expect_passed_over("state-dora.safetensors does not hold what was written");
}

TEST_F(TornCheckpoint, WithAListThatLeavesItsFolder) {
  nlohmann::json text = nlohmann::json::parse(read_file(state()));
  text["files"]["../run.json"] = {{"bytes", 1}, {"sha256", ""}};
  write_file_atomically(state(), text.dump());
  expect_passed_over("its list of files is damaged");
}

TEST_F(TornCheckpoint, WhereAllAreTornTheRunStartsAnewAndSaysSo) {
  fs::remove(state());
  fs::remove(folder_.path() / "parts/checkpoint-1/state-lora.safetensors");
  config_.resume_from_checkpoint = "latest";
  train_into("parts", config_);
  ASSERT_EQ(warnings().size(), 4u);
  EXPECT_NE(warnings()[0].find("checkpoint-2 is torn"), std::string::npos);
  EXPECT_NE(warnings()[1].find("checkpoint-1 is torn"), std::string::npos);
  EXPECT_NE(warnings()[2].find("no whole checkpoint in"), std::string::npos);
  EXPECT_TRUE(adapter_bytes("whole/dora") == adapter_bytes("parts/dora"));
}

// One of a version that listed no files.
TEST_F(TornCheckpoint, ACheckpointWithoutAListIsTaken) {
  nlohmann::json text = nlohmann::json::parse(read_file(state()));
  text.erase("files");
  write_file_atomically(state(), text.dump());
  config_.resume_from_checkpoint = "latest";
  train_into("parts", config_);
  EXPECT_TRUE(warnings().empty());
  EXPECT_EQ(metrics("parts"), metrics("whole"));
}

}  // namespace
}  // namespace dorabooth::testing::training_resume_test
