// Adapters trained here, and models merged from them, give the same pictures in diffusers.
// DORABOOTH_PEERS_PYTHON names the Python interpreter that has diffusers and PEFT.
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "pipelines/merge.h"
#include "pipelines/sample.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::training_peers_test {
namespace {

constexpr int kPackageMissing = 77;

class TrainingPeers : public TrainingTest {
 protected:
  void SetUp() override {
    if (!std::getenv("DORABOOTH_PEERS_PYTHON")) {
      GTEST_SKIP() << "DORABOOTH_PEERS_PYTHON names no Python interpreter";
    }
    config_.pretrained_model_name_or_path = fixture_path("tiny_sdxl").string();
    config_.rank = 2;
    config_.lora_alpha = 3.0;
    config_.learning_rate = 0.03;
    config_.text_encoder_lr = 0.03;
    config_.max_train_steps = 3;
  }

  // Our picture of base and adapter.
  std::string picture_with(const std::string& adapter) {
    SampleRequest request;
    request.pretrained_model_name_or_path = config_.pretrained_model_name_or_path;
    if (!adapter.empty()) request.adapter_path = {adapter};
    request.prompt = {"a sks icon of rabbit"};
    request.negative_prompt = "blurry";
    request.seed = {7};
    request.num_inference_steps = 5;
    request.height = 64;
    request.width = 64;
    request.scheduler = "ddim";
    request.device = "cpu";
    request.output_dir = (folder_.path() / (adapter.empty() ? "plain" : "adapted")).string();
    Recorder recorder;
    return sample(request, recorder, {}).pictures.at(0).path;
  }

  std::string merged(const std::string& adapter, const std::string& layout) {
    MergeRequest request;
    request.pretrained_model_name_or_path = config_.pretrained_model_name_or_path;
    request.adapter_path = {adapter};
    request.layout = layout;
    const fs::path target =
        folder_.path() / (layout == "diffusers" ? "merged" : "merged.safetensors");
    (layout == "diffusers" ? request.output_dir : request.output) = target.string();
    Recorder recorder;
    merge(request, recorder, {});
    return target.string();
  }

  void expect_accepted(const std::string& script, const std::vector<std::string>& arguments) {
    std::string command = concat("OMP_NUM_THREADS=1 '", std::getenv("DORABOOTH_PEERS_PYTHON"),
                                 "' '", (source_dir() / "scripts/peers" / script).string(), "'");
    for (const std::string& argument : arguments) command += " '" + argument + "'";
    FILE* pipe = popen((command + " 2>&1").c_str(), "r");
    ASSERT_NE(pipe, nullptr);
    std::string output;
    std::array<char, 4096> buffer;
    while (const size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
      output.append(buffer.data(), count);
    }
    const int status = WEXITSTATUS(pclose(pipe));
    if (status == kPackageMissing) GTEST_SKIP() << output;
    EXPECT_EQ(status, 0) << script << "\n" << output;
  }

  void expect_same_pictures(const std::string& kind, bool text_encoders) {
    config_.adapter = {kind};
    config_.train_text_encoder = text_encoders;
    const std::string adapter = train_into("out", config_).adapters.at(0).path;
    const std::string picture = picture_with(adapter);
    EXPECT_NE(read_file(picture), read_file(picture_with(""))) << "the adapter shows";
    expect_accepted("check_sample.py", {picture});
    const std::string folder = merged(adapter, "diffusers");
    expect_accepted("check_merge.py", {folder, config_.pretrained_model_name_or_path, picture});
    expect_accepted("check_merge.py", {merged(adapter, "single_file"), folder, picture});
  }
};

TEST_F(TrainingPeers, ATrainedLora) { expect_same_pictures("lora", false); }

TEST_F(TrainingPeers, ATrainedDora) { expect_same_pictures("dora", false); }

TEST_F(TrainingPeers, ATrainedLoraWithTextEncoders) { expect_same_pictures("lora", true); }

TEST_F(TrainingPeers, ATrainedDoraWithTextEncoders) { expect_same_pictures("dora", true); }

}  // namespace
}  // namespace dorabooth::testing::training_peers_test
