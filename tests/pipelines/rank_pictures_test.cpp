// The right concept's place among real pictures: on the bundled pictures, degraded or under a wrong
// name, and on plain ones.
#include "pipelines/rank_pictures.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>

#include "datasets/image_folder.h"
#include "pipelines/sample.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/imagefile/image_file.h"
#include "tests/pipelines/example_base.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::rank_pictures_test {
namespace {

namespace fs = std::filesystem;

class RankPictures : public ::testing::Test {
 protected:
  RankPictures() {
    request_.generated_dir = (folder_.path() / "generated").string();
    request_.instance_data_dir = (folder_.path() / "real").string();
  }

  void write(const fs::path& folder, const std::string& name, const std::string& caption,
             const Image& image) const {
    write_png(folder / (name + ".png"), image);
    write_file_atomically(folder / (name + ".txt"), caption);
  }
  void real(const std::string& name, const std::string& caption, Rgb colour) const {
    write(request_.instance_data_dir, name, caption, plain(colour));
  }
  void generated(const std::string& name, const std::string& prompt, Rgb colour) const {
    write(request_.generated_dir, name, prompt, plain(colour));
  }
  static Image plain(Rgb colour) {
    Image image(16, 16);
    for (size_t i = 0; i < image.rgb_hwc.size(); i += 3) {
      image.rgb_hwc[i] = colour.red;
      image.rgb_hwc[i + 1] = colour.green;
      image.rgb_hwc[i + 2] = colour.blue;
    }
    return image;
  }
  RankReport rank() { return rank_pictures(request_, recorder_, recorder_.stop.get_token()); }
  std::vector<int64_t> ranks() {
    std::vector<int64_t> all;
    for (const RankedPicture& picture : rank().pictures) all.push_back(picture.rank);
    return all;
  }

  TemporaryFolder folder_;
  RankRequest request_;
  Recorder recorder_;
};

constexpr Rgb kRed{255, 0, 0};
constexpr Rgb kDarkRed{180, 0, 0};
constexpr Rgb kGreen{0, 200, 0};
constexpr Rgb kBlue{0, 0, 255};

// Generated from the bundled pictures: changed, and captioned with the concept `further` on.
class RankBundledPictures : public RankPictures {
 protected:
  template <typename Change>
  RankReport rank_changed(size_t further, Change&& change) {
    request_.instance_data_dir = asset_path("pictures/heldout").string();
    ImageFolderRequest request;
    request.folder = request_.instance_data_dir;
    const auto pictures = read_image_folder(request).pictures;
    for (size_t i = 0; i < pictures.size(); ++i) {
      write(request_.generated_dir, pictures[i].path.stem().string(),
            "a sks icon of " + pictures[(i + further) % pictures.size()].caption,
            change(read_picture(pictures[i].path).image));
    }
    return rank();
  }
};

TEST_F(RankBundledPictures, AnUnchangedPictureIsTheNearest) {
  const RankReport report = rank_changed(0, [](Image image) { return image; });
  ASSERT_GE(report.real_pictures, 40);
  for (const RankedPicture& picture : report.pictures) EXPECT_EQ(picture.rank, 1) << picture.path;
  EXPECT_EQ(report.median_rank, 1);
}

TEST_F(RankBundledPictures, ADegradedPictureStaysAmongTheNearest) {
  std::mt19937 generator(1);
  const RankReport report = rank_changed(0, [&](Image image) {
    std::normal_distribution<double> noise(0.0, 20.0);
    for (uint8_t& value : image.rgb_hwc)
      value = static_cast<uint8_t>(std::clamp(value + noise(generator), 0.0, 255.0));
    return decode_picture(encode_jpeg(image, 10), "x.jpg").image;
  });
  EXPECT_GE(report.within, report.real_pictures * 95 / 100);
  EXPECT_EQ(report.median_rank, 1);
}

TEST_F(RankBundledPictures, APictureOfAnotherConceptIsAnywhere) {
  request_.nearest_percent = 50;
  const RankReport report = rank_changed(7, [](Image image) { return image; });
  const auto share =
      static_cast<double>(report.within) / static_cast<double>(report.pictures.size());
  EXPECT_GT(share, 0.3);
  EXPECT_LT(share, 0.7);
  EXPECT_EQ(report.rank_limit, report.real_pictures / 2);
  for (const RankedPicture& picture : report.pictures) EXPECT_GT(picture.rank, 1);
}

TEST_F(RankPictures, RankCountsWhatIsNearerAndNamesTheNearest) {
  real("a", "cherry", kRed);
  real("b", "brick", kDarkRed);
  real("c", "leaf", kGreen);
  generated("x", "a flat icon of brick", kRed);
  const RankReport report = rank();
  ASSERT_EQ(report.pictures.size(), 1u);
  EXPECT_EQ(report.pictures[0].rank, 2);
  EXPECT_EQ(report.pictures[0].nearest, "cherry");
  EXPECT_EQ(report.pictures[0].caption, "brick");
  EXPECT_EQ(report.pictures[0].prompt, "a flat icon of brick");
  EXPECT_EQ(report.rank_limit, 1);  // 5 % of three pictures
  EXPECT_EQ(report.within, 0);
}

TEST_F(RankPictures, PicturesThatAreAlikeCountAgainstTheRightOne) {
  for (const char* name : {"a", "b", "c"}) real(name, name, kRed);
  generated("x", "a", kRed);
  EXPECT_EQ(ranks(), (std::vector<int64_t>{3}));
}

TEST_F(RankPictures, TheNearestOfSeveralPicturesOfAConceptCounts) {
  real("a", "sea", kGreen);
  real("b", "sea", kBlue);
  real("c", "leaf", kDarkRed);
  generated("x", "sea", kBlue);
  EXPECT_EQ(ranks(), (std::vector<int64_t>{1}));
}

TEST_F(RankPictures, ConceptIsTheLongestCaptionAtTheEndOfThePrompt) {
  real("a", "apple", kRed);
  real("b", "green apple", kGreen);
  real("c", "pineapple", kBlue);
  generated("x", "an icon of green apple ", kRed);
  generated("y", "pineapple", kRed);
  generated("z", "an icon of an apple", kRed);
  std::vector<std::string> captions;
  for (const RankedPicture& picture : rank().pictures) captions.push_back(picture.caption);
  EXPECT_EQ(captions, (std::vector<std::string>{"green apple", "pineapple", "apple"}));
}

TEST_F(RankPictures, WithAPrefixOtherPromptsAreLeftOutAndTheRestMustBeACaption) {
  real("a", "apple", kRed);
  real("b", "leaf", kGreen);
  generated("x", "a flat icon of apple", kRed);
  generated("y", "a noto icon of leaf", kGreen);
  request_.caption_prefix = "a flat icon of ";
  const RankReport report = rank();
  EXPECT_EQ(report.pictures.size(), 1u);
  EXPECT_EQ(report.left_out, 1);
  generated("z", "a flat icon of red aple", kRed);
  EXPECT_NE(message_of([&] { rank(); }).find("the caption 'red aple'"), std::string::npos);
  generated("z", "a flat icon of aple", kRed);
  EXPECT_NE(message_of([&] { rank(); }).find("did you mean 'apple'"), std::string::npos);
  request_.caption_prefix = "a pencil icon of";
  EXPECT_NE(message_of([&] { rank(); }).find("begins with 'a pencil icon of'"), std::string::npos);
}

TEST_F(RankPictures, PromptIsReadFromTheDrawnPicture) {
  real("a", "penguin", kBlue);
  real("b", "leaf", kGreen);
  SampleRequest request;
  request.pretrained_model_name_or_path = base_path();
  request.prompt = {"a sks icon of penguin"};
  request.num_inference_steps = 1;
  request.height = request.width = 64;
  request.device = "cpu";
  request.output_dir = request_.generated_dir;
  sample(request, recorder_, {});
  const RankReport report = rank();
  ASSERT_EQ(report.pictures.size(), 1u);
  EXPECT_EQ(report.pictures[0].prompt, "a sks icon of penguin");
  EXPECT_EQ(report.pictures[0].caption, "penguin");
}

TEST_F(RankPictures, WhatIsMissingIsNamed) {
  const auto expect_error = [&](const std::string& part) {
    const std::string message = message_of([&] { rank(); });
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  RankRequest empty;
  std::swap(empty, request_);
  expect_error("--generated_dir is missing");
  request_.generated_dir = empty.generated_dir;
  expect_error("--instance_data_dir is missing");
  std::swap(empty, request_);
  expect_error("no such folder: " + request_.instance_data_dir);
  real("a", "apple", kRed);
  generated("x", "an icon of a pear", kRed);
  expect_error("x.png: its prompt 'an icon of a pear' ends with the caption of no picture");
  fs::remove(fs::path(request_.generated_dir) / "x.txt");
  expect_error("x.png: was not drawn by this program");
  fs::remove(fs::path(request_.instance_data_dir) / "a.txt");
  expect_error("a.png has no caption: want a line in metadata.jsonl");
}

TEST_F(RankPictures, StopsWhenAskedTo) {
  real("a", "apple", kRed);
  generated("x", "apple", kRed);
  recorder_.stop.request_stop();
  EXPECT_TRUE(rank().stopped);
}

}  // namespace
}  // namespace dorabooth::testing::rank_pictures_test
