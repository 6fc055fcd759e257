// Encoding the pictures of a run: each becomes the posterior of its own crops, in order.
#include "datasets/example_set.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/model/initial_weights.h"
#include "tests/support/fixtures.h"

namespace dorabooth::example_set_test {
namespace {

namespace fs = std::filesystem;
using testing::message_of;

class EncodeExamples : public ::testing::Test {
 protected:
  EncodeExamples() {
    at::set_num_threads(2);
    const fs::path numbers = testing::source_dir() / "assets/base_config/vae/config.json";
    vae_ = std::make_shared<AutoencoderKl>(
        VaeConfig::from_json(nlohmann::json::parse(read_file(numbers)), numbers.string()),
        at::TensorOptions().dtype(at::kFloat).device(at::kMeta));
    initialise(*vae_, 0, "vae");
    request_.target = {64, 64};
    request_.random_flip = true;
    request_.stream = "instance";
    request_.variations = 2;
  }
  ~EncodeExamples() override { at::set_num_threads(threads_); }

  // A picture of its own.
  void add(int number, int width, int height, int64_t repeats = 1) {
    Image image(width, height);
    for (size_t i = 0; i < image.rgb_hwc.size(); ++i) {
      image.rgb_hwc[i] = static_cast<uint8_t>((i * static_cast<size_t>(7 + number)) % 251);
    }
    CaptionedPicture picture;
    picture.path = folder_.path() / (std::to_string(number) + ".png");
    picture.caption = std::to_string(number);
    picture.repeats = repeats;
    write_png(picture.path, image);
    request_.pictures.push_back(picture);
  }

  const int threads_ = at::get_num_threads();
  testing::TemporaryFolder folder_;
  ExampleRequest request_;
  std::shared_ptr<AutoencoderKl> vae_;
};

// Pictures of several sizes, some of them several times.
TEST_F(EncodeExamples, EachExampleIsItsOwnCrop) {
  for (int i = 0; i < 5; ++i) add(i, 90 + i, 80, 1 + i % 2);
  request_.buckets = BucketRule{.resolution = 64, .steps = 8, .min_side = 32, .max_side = 128};
  add(5, 200, 50);
  for (int i = 6; i < 9; ++i) add(i, 96, 80);
  std::vector<int64_t> told;
  const ExampleSet set =
      encode_examples(request_, *vae_, nullptr, [&](int64_t done) { told.push_back(done); }, {});
  ASSERT_EQ(set.size(), 11);
  EXPECT_EQ(told.size(), 11u);
  EXPECT_EQ(told.back(), 11);
  const at::NoGradGuard no_grad;
  uint32_t index = 0;
  size_t example = 0;
  for (const CaptionedPicture& picture : request_.pictures) {
    const Image image = read_picture(picture.path).image;
    for (int64_t repeat = 0; repeat < picture.repeats; ++repeat, ++example) {
      EXPECT_EQ(set.examples[example].caption, picture.caption);
      ASSERT_EQ(set.examples[example].variations.size(), 2u);
      for (const ExampleVariation& variation : set.examples[example].variations) {
        const CropPlan plan =
            example_plan(request_, {image.width, image.height}, picture.crop, index++);
        const at::Tensor want = vae_->encode(image_tensor(apply_crop(image, plan))).mean[0];
        EXPECT_TRUE(at::allclose(variation.posterior->load().mean, want, 1e-5, 1e-5));
      }
    }
  }
}

TEST_F(EncodeExamples, APictureThatCannotBeReadIsNamed) {
  for (int i = 0; i < 4; ++i) add(i, 64, 64);
  const std::string bytes = read_file(request_.pictures[2].path);
  write_file_atomically(request_.pictures[2].path, bytes.substr(0, bytes.size() / 2));
  const std::string message =
      message_of([&] { encode_examples(request_, *vae_, nullptr, [](int64_t) {}, {}); });
  EXPECT_NE(message.find("2.png"), std::string::npos) << message;
}

}  // namespace
}  // namespace dorabooth::example_set_test
