// Pretraining on a few of the bundled pictures with the bundled base's configs: a stopped run ends
// with the bits of one that was not, and its result is a base that loads.
#include "pipelines/pretrain.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "datasets/example_set.h"
#include "pipelines/parts/latent_whitening.h"
#include "pipelines/parts/tensor_store.h"
#include "src/base/error.h"
#include "src/imagefile/image_file.h"
#include "src/model/load.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::pretrain_test {
namespace {

// Asks to stop after step `stop_at` of the training itself.
class StageRecorder : public Recorder {
 public:
  void on(const Event& event) override {
    if (const auto* started = std::get_if<StartedEvent>(&event))
      trains_ = started->what.starts_with("pretrain");
    const auto* step = std::get_if<StepEvent>(&event);
    if (step && trains_ && step->step == stop_at) stop.request_stop();
  }

 private:
  bool trains_ = false;
};

class Pretrain : public ::testing::Test {
 protected:
  Pretrain() {
    config_.config_dir = base_path();
    config_.instance_data_dir = some_pictures(folder_.path() / "pictures", 4).string();
    config_.resolution = 64;
    config_.center_crop = true;
    config_.train_batch_size = 2;
    config_.replicas = 2;
    config_.max_train_steps = 4;
    config_.lr_warmup_steps = 1;
    config_.output_dtype = "fp32";
  }

  PretrainReport run(const std::string& output, int64_t stop_at = -1) {
    PretrainConfig config = config_;
    config.output_dir = (folder_.path() / output).string();
    StageRecorder recorder;
    recorder.stop_at = stop_at;
    return pretrain(config, recorder, recorder.stop.get_token());
  }

  void expect_equal_weights(const std::string& a, const std::string& b, const std::string& file) {
    const auto first = read_tensors(folder_.path() / a / file);
    const auto second = read_tensors(folder_.path() / b / file);
    ASSERT_EQ(first.size(), second.size());
    for (const auto& [name, value] : first) EXPECT_TRUE(at::equal(value, second.at(name))) << name;
  }

  void stop_and_go_on(const std::string& output) {
    EXPECT_TRUE(run(output, 2).stopped);
    config_.resume_from_checkpoint = "latest";
    EXPECT_EQ(run(output).steps, 4);
  }

  TemporaryFolder folder_;
  PretrainConfig config_;
};

TEST_F(Pretrain, AStoppedAutoencoderEndsWithTheBitsOfOneThatWasNot) {
  config_.stage = "vae";
  config_.crop_size = 32;
  config_.latent_noise = 0.1;
  config_.kl_scale = 1e-4;
  EXPECT_EQ(run("whole").steps, 4);
  stop_and_go_on("halves");
  expect_equal_weights("whole", "halves", "vae/diffusion_pytorch_model.safetensors");
}

TEST_F(Pretrain, AStoppedUNetEndsWithTheBitsOfOneThatWasNotAndLoadsAsABase) {
  config_.stage = "unet";
  config_.pretrained_vae_model_name_or_path = base_path();
  config_.proportion_empty_prompts = 0.5;
  config_.loss_weighting = "velocity";
  EXPECT_EQ(run("whole").steps, 4);
  stop_and_go_on("halves");
  expect_equal_weights("whole", "halves", "unet/diffusion_pytorch_model.safetensors");
  expect_equal_weights("whole", "halves", "text_encoder/model.safetensors");
  expect_equal_weights("whole", "halves", "text_encoder_2/model.safetensors");
  EXPECT_NO_THROW(load_bundle(folder_.path() / "whole", LoadOptions()));
}

TEST_F(Pretrain, AnotherSettingIsRefusedOnResume) {
  config_.stage = "vae";
  config_.max_train_steps = 2;
  EXPECT_TRUE(run("run", 1).stopped);
  config_.resume_from_checkpoint = "latest";
  config_.l1_scale = 0.9;
  EXPECT_THROW(run("run"), Error);
}

TEST_F(Pretrain, TheVocabularyOfTheCaptionsIsWrittenTwice) {
  config_.stage = "tokenizer";
  config_.vocab_size = 40;
  config_.own_pieces = {"sks"};
  run("words");
  for (const char* name : {"tokenizer", "tokenizer_2"}) {
    EXPECT_TRUE(fs::exists(folder_.path() / "words" / name / "spiece.model")) << name;
  }
}

TEST_F(Pretrain, WhitenedLatentsHaveMeanZeroAndCovarianceOne) {
  config_.stage = "vae";
  config_.whiten_latents = true;
  config_.max_train_steps = 2;
  run("white");
  const Checkpoint checkpoint = Checkpoint::open_vae(folder_.path() / "white");
  AutoencoderKl vae(VaeConfig::from_json(checkpoint.config(Component::kVae), "config"),
                    at::TensorOptions(at::kFloat).device(at::kMeta));
  load_weights(vae, checkpoint.weights(Component::kVae), {});
  LatentMoments moments(vae.config().latent_channels);
  const at::NoGradGuard no_grad;
  for (const fs::path& path : list_pictures(folder_.path() / "pictures")) {
    const Image image = read_picture(path).image;
    const CropPlan plan =
        centre_crop({image.width, image.height}, {64, 64}, false, Interpolation::kLanczos);
    const Posterior posterior = vae.encode(image_tensor(apply_crop(image, plan)));
    moments.add(posterior.mean);
    EXPECT_NEAR(posterior.std.mean().item<double>(), config_.posterior_std, 1e-6);
  }
  EXPECT_LE(moments.mean().abs().max().item<double>(), 2e-3);
  const at::Tensor one = at::eye(vae.config().latent_channels, at::kDouble);
  EXPECT_LE((moments.covariance() - one).abs().max().item<double>(), 2e-2);
}

}  // namespace
}  // namespace dorabooth::testing::pretrain_test
