// Products with frozen text, kept from step to step: the same bytes with and without.
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::training_text_cache_test {
namespace {

class TrainingTextCache : public TrainingTest {
 protected:
  TrainingTextCache() {
    config_.adapter = {"both"};
    config_.train_batch_size = 2;
    config_.max_train_steps = 3;
    config_.resolution = 32;
  }

  void expect_the_same_with_and_without() {
    const std::vector<int64_t> budgets = {0, 1, 256};
    for (const int64_t budget : budgets) {
      config_.text_cache_mb = budget;
      train_into(std::to_string(budget), config_);
    }
    for (const int64_t budget : budgets) {
      EXPECT_EQ(metrics(std::to_string(budget)), metrics("0"));
      for (const char* kind : {"/lora", "/dora"}) {
        EXPECT_EQ(adapter_bytes(std::to_string(budget) + kind),
                  adapter_bytes(std::string("0") + kind))
            << budget << kind;
      }
    }
  }
};

TEST_F(TrainingTextCache, ChangesNoByte) { expect_the_same_with_and_without(); }

TEST_F(TrainingTextCache, ChangesNoByteWithCheckpointingAndDropout) {
  config_.gradient_checkpointing = true;
  config_.lora_dropout = 0.2;
  expect_the_same_with_and_without();
}

TEST_F(TrainingTextCache, ChangesNoByteInHalfPrecisionWithClassPictures) {
  config_.mixed_precision = "bf16";
  config_.with_prior_preservation = true;
  config_.class_data_dir = some_pictures(folder_.path() / "class", 2).string();
  config_.class_prompt = "an icon";
  config_.num_class_images = 2;
  config_.gradient_accumulation_steps = 2;
  expect_the_same_with_and_without();
}

TEST_F(TrainingTextCache, IsFreeToChangeWhenARunIsResumed) {
  config_.checkpointing_steps = 2;
  train_into("whole", config_);
  train_into("cut", config_, /*stop_at=*/2);
  config_.resume_from_checkpoint = "latest";
  config_.text_cache_mb = 0;
  train_into("cut", config_);
  for (const char* kind : {"/lora", "/dora"}) {
    EXPECT_EQ(adapter_bytes(std::string("cut") + kind), adapter_bytes(std::string("whole") + kind));
  }
}

}  // namespace
}  // namespace dorabooth::testing::training_text_cache_test
