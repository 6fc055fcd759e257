// A base kept between requests: loaded once, the same pictures, loaded again when its files change.
#include "pipelines/resident_base.h"

#include <gtest/gtest.h>

#include "pipelines/compare.h"
#include "pipelines/parts/base_loading.h"
#include "pipelines/sample.h"
#include "tests/pipelines/example_base.h"
#include "tests/support/fixtures.h"

namespace dorabooth::resident_base_test {
namespace {

namespace fs = std::filesystem;
using testing::Recorder;
using testing::TemporaryFolder;

class ResidentBaseTest : public ::testing::Test {
 protected:
  ResidentBaseTest() {
    request_.pretrained_model_name_or_path = testing::base_path();
    request_.prompt = {"a sks icon of penguin"};
    request_.num_inference_steps = 2;
    request_.guidance_scale = 3;
    request_.height = request_.width = 64;
    request_.device = "cpu";
    request_.output_dir = (folder_.path() / "out").string();
  }

  std::string picture(ResidentBase* resident) {
    const SampleReport report = sample(request_, recorder_, {}, resident);
    return read_file(report.pictures.at(0).path);
  }

  TemporaryFolder folder_;
  Recorder recorder_;
  SampleRequest request_;
  ResidentBase resident_;
};

TEST_F(ResidentBaseTest, ServesSampleAndCompareFromOneLoad) {
  const std::string cold = picture(nullptr);
  EXPECT_FALSE(resident_.kept().bundle);
  EXPECT_EQ(picture(&resident_), cold);
  ASSERT_TRUE(resident_.kept().bundle);
  const UNet* unet = resident_.kept().bundle->unet.get();

  CompareRequest compared;
  static_cast<ModelOptions&>(compared) = request_;
  static_cast<SamplingOptions&>(compared) = request_;
  compared.prompt = request_.prompt;
  const std::string adapter =
      testing::write_random_adapter(folder_.path() / "dora.safetensors", "dora", true, 1);
  compared.column = {"DoRA=" + adapter};
  compared.output = (folder_.path() / "sheet.png").string();
  EXPECT_EQ(compare(compared, recorder_, {}, &resident_).pictures.size(), 2u);
  // Nothing of the adapter stays behind.
  EXPECT_EQ(picture(&resident_), cold);
  EXPECT_EQ(resident_.kept().bundle->unet.get(), unet);
}

TEST_F(ResidentBaseTest, LoadsAgainForOtherOptionsAndForFilesThatChanged) {
  const fs::path base = folder_.path() / "base";
  fs::copy(testing::base_path(), base, fs::copy_options::recursive);
  request_.pretrained_model_name_or_path = base.string();
  picture(&resident_);
  const std::string first = resident_.kept().key;
  request_.dtype = "bf16";
  picture(&resident_);
  EXPECT_NE(resident_.kept().key, first);
  EXPECT_EQ(resident_.kept().bundle->dtype, at::kBFloat16);

  request_.dtype = std::nullopt;
  picture(&resident_);
  EXPECT_EQ(resident_.kept().key, first);
  const fs::path weights = base / "unet" / "diffusion_pytorch_model.safetensors";
  ASSERT_TRUE(fs::exists(weights));
  fs::last_write_time(weights, fs::last_write_time(weights) + std::chrono::seconds(2));
  picture(&resident_);
  EXPECT_NE(resident_.kept().key, first);

  resident_.release();
  EXPECT_FALSE(resident_.kept().bundle);
}

}  // namespace
}  // namespace dorabooth::resident_base_test
