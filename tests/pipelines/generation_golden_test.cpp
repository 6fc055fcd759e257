// Every case of pipeline.json from prompt to 8-bit picture.
#include "pipelines/parts/generation.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/fixtures.h"
#include "tests/support/golden_tensors.h"

namespace dorabooth::generation_golden_test {
namespace {

using nlohmann::json;
using testing::expect_close;
using testing::expect_close_to_largest;
using testing::fixture_json;
using testing::fixture_path;
using testing::GoldenFile;

// Section 13.
constexpr double kTextAtol = 3e-5;
constexpr double kTextRtol = 1e-4;
constexpr double kNoiseAtol = 2e-6;
constexpr double kLatentsFraction = 1e-4;
constexpr double kVaeAtol = 1e-4;
constexpr double kVaeRtol = 1e-4;
constexpr double kImageAtol = 1e-4;

SdxlBundle& bundle() {
  static SdxlBundle loaded = load_bundle(fixture_path("tiny_sdxl"), LoadOptions());
  return loaded;
}

SamplingOptions options_of(const json& one) {
  SamplingOptions options;
  if (!one.at("negative").is_null()) options.negative_prompt = one.at("negative");
  options.num_inference_steps = one.at("steps");
  options.guidance_scale = one.at("guidance");
  options.guidance_rescale = one.value("guidance_rescale", 0.0);
  options.height = one.at("height").get<int64_t>();
  options.width = one.at("width").get<int64_t>();
  options.original_size = one.value("original_size", std::vector<int64_t>());
  options.crops_coords_top_left = one.value("crops", std::vector<int64_t>());
  options.target_size = one.value("target", std::vector<int64_t>());
  return options;
}

// Passes draws on and keeps the first one.
class RecordedNoise : public NoiseSource {
 public:
  explicit RecordedNoise(uint64_t seed) : source_({seed}) {}
  at::Tensor draw(at::IntArrayRef sizes, at::ScalarType dtype) override {
    at::Tensor drawn = source_.draw(sizes, dtype);
    if (!first.defined()) first = drawn.clone();
    return drawn;
  }
  at::Tensor first;

 private:
  TorchNoise source_;
};

class Case {
 public:
  Case(const json& one, const GoldenFile& golden)
      : one_(one), golden_(golden), name_(one.at("name").get<std::string>() + ".") {
    bundle().scheduler = parse_scheduler_config(one.at("scheduler_config"), "pipeline.json");
    bundle().scheduler.class_name = one.at("scheduler").get<std::string>();
    plan_ = plan_generation(options_of(one), bundle(), Log());
  }

  void check() {
    const Conditioning conditioning =
        encode_conditioning(bundle(), plan_, one_.at("prompt").get<std::string>(), Log());
    check_conditioning(conditioning);
    RecordedNoise noise(one_.at("seed").get<uint64_t>());
    Denoising denoising(bundle(), plan_, conditioning, 1, noise);
    expect_close(noise.first, want("initial_noise"), kNoiseAtol, 0, name_ + "initial_noise");
    check_start(denoising);
    check_steps(denoising);
    check_picture(denoising.latents());
  }

 private:
  at::Tensor want(const std::string& tensor) const { return golden_.at(name_ + tensor); }

  void check_text(const at::Tensor& value, const std::string& tensor) {
    expect_close(value, want(tensor), kTextAtol, kTextRtol, name_ + tensor);
  }

  void check_conditioning(const Conditioning& conditioning) {
    check_text(conditioning.positive.prompt_embeds, "prompt_embeds");
    check_text(conditioning.positive.pooled, "pooled_prompt_embeds");
    ASSERT_EQ(conditioning.negative.has_value(),
              golden_.contains(name_ + "negative_prompt_embeds"));
    if (!conditioning.negative) return;
    check_text(conditioning.negative->prompt_embeds, "negative_prompt_embeds");
    check_text(conditioning.negative->pooled, "negative_pooled_prompt_embeds");
  }

  void check_start(const Denoising& denoising) {
    check_text(denoising.inputs().encoder_hidden_states, "unet.prompt_embeds");
    check_text(denoising.inputs().text_embeds, "unet.text_embeds");
    EXPECT_TRUE(at::equal(denoising.inputs().time_ids, want("unet.time_ids"))) << name_;
    EXPECT_EQ(denoising.scheduler().timesteps(), one_.at("timesteps").get<std::vector<double>>());
    EXPECT_NEAR(denoising.scheduler().init_noise_sigma(), one_.at("init_noise_sigma").get<double>(),
                1e-5 * one_.at("init_noise_sigma").get<double>());
    expect_close_to_largest(denoising.latents(), want("initial_latents"), kLatentsFraction,
                            name_ + "initial_latents");
  }

  void check_steps(Denoising& denoising) {
    const at::Tensor outputs = want("unet.outputs");
    const at::Tensor latents = want("latents");
    ASSERT_EQ(plan_.calls(), outputs.size(0));
    for (int64_t call = 0; call < outputs.size(0); ++call) {
      ASSERT_FALSE(denoising.done());
      const std::string step = concat_name("step ", call);
      expect_close_to_largest(denoising.step(), outputs[call], kLatentsFraction, step + " output");
      expect_close_to_largest(denoising.latents(), latents[call], kLatentsFraction,
                              step + " latents");
    }
    EXPECT_TRUE(denoising.done());
  }

  void check_picture(const at::Tensor& latents) {
    const at::Tensor reference = want("latents");
    expect_close(decode_latents(bundle(), plan_, reference[reference.size(0) - 1]), want("decoded"),
                 kVaeAtol, kVaeRtol, name_ + "decoded");
    const at::Tensor values = picture_values(decode_latents(bundle(), plan_, latents));
    expect_close(values, want("image_float"), kImageAtol, 0, name_ + "image_float");
    check_bytes(to_images(values), want("image_uint8"), 1);
    check_bytes(to_images(want("image_float")), want("image_uint8"), 0);
  }

  void check_bytes(const std::vector<Image>& images, const at::Tensor& bytes_nhwc, int tolerance) {
    ASSERT_EQ(static_cast<int64_t>(images.size()), bytes_nhwc.size(0));
    for (size_t i = 0; i < images.size(); ++i) {
      const at::Tensor expected = bytes_nhwc[static_cast<int64_t>(i)].contiguous();
      ASSERT_EQ(images[i].height, expected.size(0));
      ASSERT_EQ(images[i].width, expected.size(1));
      int worst = 0;
      for (size_t k = 0; k < images[i].rgb_hwc.size(); ++k) {
        const int difference = images[i].rgb_hwc[k] - expected.const_data_ptr<uint8_t>()[k];
        worst = std::max(worst, std::abs(difference));
      }
      EXPECT_LE(worst, tolerance) << name_ << "image_uint8";
    }
  }

  std::string concat_name(const char* what, int64_t number) const {
    return name_ + what + std::to_string(number);
  }

  const json& one_;
  const GoldenFile& golden_;
  std::string name_;
  GenerationPlan plan_;
};

TEST(Generation, EqualsEveryPipelineCaseFromPromptToPicture) {
  const json cases = fixture_json("pipeline.json").at("cases");
  const GoldenFile golden("pipeline.safetensors");
  for (const json& one : cases) {
    SCOPED_TRACE(one.at("name").get<std::string>());
    Case(one, golden).check();
  }
}

}  // namespace
}  // namespace dorabooth::generation_golden_test
