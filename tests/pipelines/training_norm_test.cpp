// DoRA's norm in a whole training: once per optimizer step and layer, whatever runs in between.
#include <atomic>

#include "src/device/adapter_core_choice.h"
#include "src/tensorfile/safetensors.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::training_norm_test {
namespace {

std::atomic<int64_t> norms = 0;

AdapterCore counting_core() {
  AdapterCore core = cpu_core();
  core.row_norm = [](const RowNormArgs& args) {
    ++norms;
    cpu_core().row_norm(args);
  };
  return core;
}

using TrainingNorm = TrainingTest;

TEST_F(TrainingNorm, IsTakenOnceAStepForMicroBatchesRecomputationsAndPreviews) {
  config_.adapter = {"dora"};
  config_.train_batch_size = 1;
  config_.gradient_accumulation_steps = 2;
  config_.gradient_checkpointing = true;
  config_.max_train_steps = 2;
  config_.validation_prompt = {"a sks icon"};
  config_.validation_steps = 1;
  config_.validation_inference_steps = 3;
  config_.num_validation_images = 2;
  const AdapterCore core = counting_core();
  norms = 0;
  {
    const AdapterCoreScope scope(core);
    train_into("out", config_);
  }
  EXPECT_FALSE(recorder_.all<PreviewEvent>().empty());
  const SafetensorsFile file(folder_.path() / "out" / "pytorch_lora_weights.safetensors");
  int64_t layers = 0;
  for (const TensorEntry& entry : file.entries()) {
    layers += entry.name.find("lora_magnitude_vector") != std::string::npos;
  }
  ASSERT_GT(layers, 0);
  // Before each of the two steps, and after the last one for its preview.
  EXPECT_EQ(norms, 3 * layers);
}

}  // namespace
}  // namespace dorabooth::testing::training_norm_test
