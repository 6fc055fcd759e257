// The held-out loss: which part of which picture it is taken of.
#include "pipelines/evaluate.h"

#include <gtest/gtest.h>

#include "datasets/crop_rectangle.h"
#include "pipelines/merge.h"
#include "pipelines/parts/tensor_store.h"
#include "src/imagefile/image_file.h"
#include "tests/imagefile/samples.h"
#include "tests/pipelines/example_base.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::evaluate_test {
namespace {

namespace fs = std::filesystem;

uint32_t crc_of(const std::string& bytes) {
  uint32_t crc = 0xffffffff;
  for (const char c : bytes) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320U : 0);
  }
  return ~crc;
}

std::string big_endian(size_t value) {
  std::string bytes;
  for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(value >> shift & 0xff);
  return bytes;
}

// The PNG with an eXIf chunk behind its header.
void turn_by_exif(const fs::path& path, int orientation) {
  constexpr size_t kHeader = 8 + 25;
  const std::string png = read_file(path);
  const std::string body = exif_block(orientation);
  const std::string named = "eXIf" + body;
  write_file_atomically(path, png.substr(0, kHeader) + big_endian(body.size()) + named +
                                  big_endian(crc_of(named)) + png.substr(kHeader));
}

// No two parts look the same.
Image gradient(int width, int height) {
  Image image(width, height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      image.pixel(x, y)[0] = static_cast<uint8_t>(255 * x / width);
      image.pixel(x, y)[1] = static_cast<uint8_t>(255 * y / height);
      image.pixel(x, y)[2] = static_cast<uint8_t>((x * y) % 256);
    }
  }
  return image;
}

class Evaluate : public ::testing::Test {
 protected:
  EvaluateReport report(const std::string& folder, int64_t num_timesteps, int64_t batch_size) {
    EvaluateRequest request = request_;
    if (request.pretrained_model_name_or_path.empty())
      request.pretrained_model_name_or_path = base_path();
    request.instance_data_dir = (temporary_.path() / folder).string();
    request.instance_prompt = prompt_;
    request.resolution = 64;
    request.num_timesteps = num_timesteps;
    request.batch_size = batch_size;
    request.device = "cpu";
    return evaluate(request, recorder_, {});
  }
  double loss(const std::string& folder) {
    const EvaluateReport report = this->report(folder, 3, 8);
    EXPECT_EQ(report.pictures, 1);
    return report.rows.at(0).loss;
  }
  fs::path file(const std::string& folder) const { return temporary_.path() / folder / "a.png"; }

  TemporaryFolder temporary_;
  Recorder recorder_;
  EvaluateRequest request_;
  std::string prompt_ = "an icon";
};

TEST_F(Evaluate, TakesTheDrawnCropAndTheCentreWithoutOne) {
  for (const char* folder : {"plain", "centre", "left"}) write_png(file(folder), gradient(128, 64));
  save_crop_rectangle(file("centre"), CropRectangle{32, 0, 64, 64});
  save_crop_rectangle(file("left"), CropRectangle{0, 0, 64, 64});
  EXPECT_EQ(loss("centre"), loss("plain"));
  EXPECT_NE(loss("left"), loss("plain"));
}

TEST_F(Evaluate, APictureTurnedByExifIsTakenUprightAndSoIsItsCrop) {
  write_png(file("turned"), gradient(128, 64));
  turn_by_exif(file("turned"), 6);
  const Image upright = read_picture(file("turned")).image;
  ASSERT_EQ(upright.width, 64);
  ASSERT_EQ(upright.height, 128);
  write_png(file("upright"), upright);
  const double whole = loss("upright");
  EXPECT_EQ(loss("turned"), whole);
  for (const char* folder : {"turned", "upright"})
    save_crop_rectangle(file(folder), CropRectangle{0, 60, 64, 64});
  const double cropped = loss("upright");
  EXPECT_EQ(loss("turned"), cropped);
  EXPECT_NE(cropped, whole);
}

TEST_F(Evaluate, TheLossIsTheMeanOfTheTimestepsWhateverTheBatches) {
  write_png(temporary_.path() / "two/a.png", gradient(64, 64));
  write_png(temporary_.path() / "two/b.png", gradient(96, 96));
  const EvaluateReport whole = report("two", 4, 8);
  const EvaluateReport parts = report("two", 4, 3);
  EXPECT_EQ(whole.timesteps, (std::vector<int64_t>{125, 375, 625, 875}));
  const std::vector<double>& losses = whole.rows.at(0).loss_by_timestep;
  ASSERT_EQ(losses.size(), 4u);
  EXPECT_NEAR((losses[0] + losses[1] + losses[2] + losses[3]) / 4, whole.rows[0].loss, 1e-12);
  for (size_t k = 0; k < 4; ++k) {
    EXPECT_NEAR(parts.rows.at(0).loss_by_timestep.at(k), losses[k], 1e-5 * losses[k]);
  }
  // The noise in a picture that is nearly whole is the hardest to foretell.
  EXPECT_GT(losses[0], losses[3]);
}

// A LoHa, a LoCon and a norm through the losses: those of the base that they are merged into.
TEST_F(Evaluate, WeightPatchesCountAsInTheMergedBase) {
  write_png(file("pictures"), gradient(64, 64));
  at::manual_seed(2);
  const std::string q = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q";
  const std::string conv = "lora_unet_down_blocks_1_resnets_0_conv1";
  const std::string text = "lora_te1_text_model_encoder_layers_0_mlp_fc1";
  const auto small = [](at::IntArrayRef shape) { return at::randn(shape) * 0.3; };
  const fs::path adapter = temporary_.path() / "patches.safetensors";
  write_tensors(adapter,
                {{q + ".hada_w1_a", small({128, 4})},
                 {q + ".hada_w1_b", small({4, 128})},
                 {q + ".hada_w2_a", small({128, 4})},
                 {q + ".hada_w2_b", small({4, 128})},
                 {conv + ".lora_down.weight", small({4, 64, 3, 3})},
                 {conv + ".lora_up.weight", small({128, 4, 1, 1})},
                 {"lora_unet_mid_block_resnets_0_norm1.w_norm", small({128})},
                 {text + ".diff", small({256, 64})}},
                {});
  MergeRequest merging;
  merging.pretrained_model_name_or_path = base_path();
  merging.adapter_path = {adapter.string()};
  merging.dtype = "fp32";
  merging.output_dir = (temporary_.path() / "merged").string();
  merge(merging, recorder_, {});

  request_.adapter_path = {adapter.string()};
  const EvaluateReport patched = report("pictures", 3, 2);
  ASSERT_EQ(patched.rows.size(), 2u);
  EXPECT_GT(std::abs(patched.rows[1].loss / patched.rows[0].loss - 1), 1e-3);
  request_ = EvaluateRequest();
  EXPECT_EQ(report("pictures", 3, 2).rows[0].loss, patched.rows[0].loss);
  request_.pretrained_model_name_or_path = *merging.output_dir;
  const double merged = report("pictures", 3, 2).rows[0].loss;
  EXPECT_NEAR(patched.rows[1].loss / merged, 1.0, 1e-5);
}

// An embedding in an adapter's file is known in the captions of that adapter's column alone, and is
// the one that a file of its own would be.
TEST_F(Evaluate, ABundledEmbeddingIsReadInTheCaptionsOfItsAdapter) {
  write_png(file("pictures"), gradient(64, 64));
  at::manual_seed(6);
  const std::string q = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q";
  const at::Tensor clip_l = at::randn({2, 64}), clip_g = at::randn({2, 128});
  const fs::path bundled = temporary_.path() / "bundled.safetensors";
  const fs::path own = temporary_.path() / "own.safetensors";
  write_tensors(bundled,
                {{q + ".lora_down.weight", at::zeros({1, 128})},
                 {q + ".lora_up.weight", at::zeros({128, 1})},
                 {"bundle_emb.<s0>.clip_l", clip_l},
                 {"bundle_emb.<s0>.clip_g", clip_g}},
                {});
  write_tensors(own, {{"clip_l", clip_l}, {"clip_g", clip_g}}, {});
  prompt_ = "an icon of <s0>";
  request_.adapter_path = {bundled.string()};
  const EvaluateReport with = report("pictures", 3, 8);
  EXPECT_NE(with.rows.at(1).loss, with.rows.at(0).loss);
  request_ = EvaluateRequest();
  request_.embedding = {own.string() + ":token=<s0>"};
  EXPECT_EQ(report("pictures", 3, 8).rows.at(0).loss, with.rows[1].loss);
}

}  // namespace
}  // namespace dorabooth::testing::evaluate_test
