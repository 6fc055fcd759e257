// What an autoencoder loses, on the bundled base and pictures.
#include "pipelines/reconstruct.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "datasets/image_folder.h"
#include "src/base/error.h"
#include "src/imagefile/image_file.h"
#include "tests/pipelines/example_base.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::reconstruct_test {
namespace {

namespace fs = std::filesystem;

class Reconstruct : public ::testing::Test {
 protected:
  Reconstruct() {
    request_.pretrained_vae_model_name_or_path = asset_path("base").string();
    request_.resolution = 128;
    ImageFolderRequest heldout;
    heldout.folder = asset_path("pictures/heldout");
    const auto pictures = list_image_folder(heldout).pictures;
    for (size_t i = 0; i < 3; ++i) {
      const fs::path folder = folder_.path() / "icons";
      fs::create_directories(folder);
      fs::copy_file(pictures[i].path, folder / pictures[i].path.filename());
    }
    request_.instance_data_dir = {(folder_.path() / "icons").string()};
  }
  ReconstructReport reconstruct() {
    return dorabooth::reconstruct(request_, recorder_, recorder_.stop.get_token());
  }

  TemporaryFolder folder_;
  ReconstructRequest request_;
  Recorder recorder_;
};

// dB between a picture and what came back, by hand from their bytes.
double psnr_of_bytes(const Image& a, const Image& b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.rgb_hwc.size(); ++i)
    sum += std::pow((double{1} * a.rgb_hwc[i] - b.rgb_hwc[i]) / 255.0, 2);
  return -10.0 * std::log10(sum / static_cast<double>(a.rgb_hwc.size()));
}

TEST_F(Reconstruct, TheReportedDbAreThoseOfTheWrittenPictures) {
  // Exactly 128 pixels a side, so that nothing is resampled on the way.
  const fs::path exact = folder_.path() / "exact";
  for (const auto& entry : fs::directory_iterator(folder_.path() / "icons")) {
    const Image image = read_picture(entry.path()).image;
    ASSERT_GE(std::min(image.width, image.height), 128);
    Image part(128, 128);
    for (int y = 0; y < 128; ++y) std::copy_n(image.pixel(0, y), size_t{3} * 128, part.pixel(0, y));
    write_png(exact / entry.path().filename().replace_extension(".png"), part);
  }
  request_.instance_data_dir = {exact.string()};
  request_.output_dir = (folder_.path() / "out").string();
  const ReconstructReport report = reconstruct();
  ASSERT_EQ(report.folders.size(), 1u);
  EXPECT_EQ(report.folders[0].pictures, 3);
  double sum = 0.0;
  double low = INFINITY;
  for (const auto& entry : fs::directory_iterator(exact)) {
    const fs::path made = folder_.path() / "out" / "exact" / entry.path().filename();
    const double db = psnr_of_bytes(read_picture(entry.path()).image, read_picture(made).image);
    sum += db;
    low = std::min(low, db);
  }
  // Rounding to bytes moves a picture at 30 dB by less than 0.05 dB.
  EXPECT_NEAR(report.folders[0].psnr, sum / 3, 0.05);
  EXPECT_NEAR(report.folders[0].psnr_low, low, 0.05);
  EXPECT_GT(report.folders[0].psnr, 24.0);
}

TEST_F(Reconstruct, EachFolderIsMeasuredByItself) {
  request_.instance_data_dir.push_back(request_.instance_data_dir[0] + "/");
  request_.output_dir = (folder_.path() / "out").string();
  const ReconstructReport report = reconstruct();
  ASSERT_EQ(report.folders.size(), 2u);
  EXPECT_EQ(report.folders[0].psnr, report.folders[1].psnr);
  EXPECT_NE(report.folders[0].output_dir, report.folders[1].output_dir);
}

TEST_F(Reconstruct, RefusalsNameValueAndPath) {
  request_.resolution = 100;
  EXPECT_NE(message_of([&] { reconstruct(); }).find("--resolution 100: want a multiple of 8"),
            std::string::npos);
  request_.resolution = 128;
  const fs::path empty = folder_.path() / "empty";
  fs::create_directories(empty);
  request_.instance_data_dir = {empty.string()};
  EXPECT_NE(message_of([&] { reconstruct(); }).find(empty.string()), std::string::npos);
}

}  // namespace
}  // namespace dorabooth::testing::reconstruct_test
