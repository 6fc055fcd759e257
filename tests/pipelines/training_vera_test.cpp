// VeRA and DVoRA through training, resume, sampling's loader and merge.
#include "pipelines/merge.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::training_vera_test {
namespace {

class TrainingVera : public TrainingTest {
 protected:
  TrainingVera() { config_.adapter = {"vera:rank=8", "dvora:rank=8"}; }
};

TEST_F(TrainingVera, ATwinRunGivesTheBytesOfEachAlone) {
  const TrainReport report = train_into("twin", config_);
  ASSERT_EQ(report.adapters.size(), 2u);
  EXPECT_TRUE(warnings().empty());
  for (const std::string kind : {"vera", "dvora"}) {
    config_.adapter = {kind + ":rank=8"};
    train_into(kind, config_);
    EXPECT_EQ(adapter_bytes(kind), bytes("twin/" + kind + "/pytorch_lora_weights.safetensors"));
  }
  EXPECT_EQ(bytes("vera/peft/unet/adapter_model.safetensors"),
            bytes("twin/vera/peft/unet/adapter_model.safetensors"));
}

TEST_F(TrainingVera, AResumedRunGivesTheSameBytes) {
  config_.train_text_encoder = true;
  train_into("whole", config_);
  train_into("parts", config_, 2);
  config_.resume_from_checkpoint = "latest";
  train_into("parts", config_);
  for (const char* file :
       {"/vera/pytorch_lora_weights.safetensors", "/dvora/pytorch_lora_weights.safetensors",
        "/vera/peft/unet/adapter_model.safetensors",
        "/vera/peft/text_encoder_2/adapter_model.safetensors"}) {
    EXPECT_EQ(bytes(std::string("parts") + file), bytes(std::string("whole") + file)) << file;
  }
}

TEST_F(TrainingVera, BothFilesOfAVeraMergeAlike) {
  config_.adapter = {"vera:rank=8"};
  train_into("out", config_);
  double errors[2] = {};
  for (const int i : {0, 1}) {
    MergeRequest request;
    request.pretrained_model_name_or_path = base_path();
    request.adapter_path = {(folder_.path() / (i == 0 ? "out" : "out/peft/unet")).string()};
    request.layout = "unet";
    request.output = (folder_.path() / ("merged" + std::to_string(i) + ".safetensors")).string();
    Recorder recorder;
    const MergeReport report = merge(request, recorder, {});
    ASSERT_FALSE(report.layers.empty());
    errors[i] = report.largest_forward_error;
  }
  // The rounding to the base's own half precision.
  EXPECT_LT(errors[0], 1e-3);
  EXPECT_NEAR(errors[0], errors[1], 1e-5);
}

}  // namespace
}  // namespace dorabooth::testing::training_vera_test
