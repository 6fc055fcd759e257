// A VAE that overflows fp16 is noticed and goes on in fp32, with the numbers of its file.
#include <ATen/ATen.h>

#include "pipelines/parts/base_loading.h"
#include "pipelines/parts/tensor_store.h"
#include "pipelines/sample.h"
#include "src/base/error.h"
#include "src/imagefile/image_file.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::vae_overflow_test {
namespace {

constexpr const char* kVaeFile = "vae/diffusion_pytorch_model.safetensors";

class VaeOverflow : public TrainingTest {
 protected:
  // Makes the run's base a copy whose VAE lies in `dtype`, the weights of `layers` times `factor`.
  void scale_vae(const std::vector<std::string>& layers, double factor, at::ScalarType dtype) {
    const fs::path base = folder_.path() / "base";
    fs::copy(base_path(), base, fs::copy_options::recursive);
    std::map<std::string, at::Tensor> tensors = read_tensors(base / kVaeFile);
    for (auto& [name, value] : tensors) value = value.to(dtype);
    for (const std::string& layer : layers) tensors.at(layer + ".weight").mul_(factor);
    write_tensors(base / kVaeFile, tensors, {});
    config_.pretrained_model_name_or_path = base.string();
  }

  // Two pictures, drawn with the VAE in this type.
  std::vector<Image> pictures(const std::string& vae_dtype, ResidentBase* resident = nullptr) {
    SampleRequest request;
    request.pretrained_model_name_or_path = config_.pretrained_model_name_or_path;
    request.prompt = {"a sks icon of rabbit"};
    request.seed = {0, 1};
    request.num_inference_steps = 2;
    request.height = request.width = 64;
    request.device = "cpu";
    request.vae_dtype = vae_dtype;
    request.output_dir = (folder_.path() / vae_dtype).string();
    recorder_ = TrainingRecorder();
    std::vector<Image> images;
    for (const auto& picture : sample(request, recorder_, {}, resident).pictures) {
      images.push_back(read_picture(picture.path).image);
    }
    return images;
  }

  void expect_same(const std::vector<Image>& a, const std::vector<Image>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].rgb_hwc, b[i].rgb_hwc) << i;
  }

  void expect_one_warning() {
    ASSERT_EQ(warnings().size(), 1u);
    EXPECT_NE(warnings()[0].find("the VAE overflowed fp16: from here on it works in fp32"),
              std::string::npos)
        << warnings()[0];
  }
};

TEST_F(VaeOverflow, OfASamplesDecoderIsMendedWithOneWarning) {
  scale_vae({"decoder.conv_in"}, 1e4, at::kHalf);
  const auto want = pictures("fp32");
  EXPECT_TRUE(warnings().empty());
  expect_same(pictures("fp16"), want);
  expect_one_warning();
}

// These weights are infinite in fp16.
TEST_F(VaeOverflow, TheNumbersAreReadFromTheFileAgain) {
  scale_vae({"decoder.conv_in"}, 1e9, at::kFloat);
  const auto want = pictures("fp32");
  expect_same(pictures("fp16"), want);
  expect_one_warning();
}

TEST_F(VaeOverflow, OfTheTrainingPicturesIsMendedWithOneWarning) {
  scale_vae({"encoder.conv_in"}, 1e9, at::kFloat);
  config_.max_train_steps = 2;
  train_into("fp32", config_);
  config_.vae_dtype = "fp16";
  train_into("fp16", config_);
  expect_one_warning();
  EXPECT_EQ(adapter_bytes("fp32"), adapter_bytes("fp16"));
}

TEST_F(VaeOverflow, AKeptBaseStaysMended) {
  scale_vae({"decoder.conv_in"}, 1e9, at::kFloat);
  ResidentBase resident;
  const auto first = pictures("fp16", &resident);
  expect_one_warning();
  expect_same(pictures("fp16", &resident), first);
  EXPECT_TRUE(warnings().empty());
}

TEST_F(VaeOverflow, WithoutOneTheVaeStaysInTheTypeThatWasAskedFor) {
  pictures("fp16");
  EXPECT_TRUE(warnings().empty());
  ModelOptions options;
  options.pretrained_model_name_or_path = config_.pretrained_model_name_or_path;
  options.device = "cpu";
  for (const auto& [name, dtype] : std::map<std::string, at::ScalarType>{
           {"fp32", at::kFloat}, {"fp16", at::kHalf}, {"bf16", at::kBFloat16}}) {
    options.vae_dtype = name;
    EXPECT_EQ(load_base(options, {}).vae->dtype(), dtype);
  }
}

}  // namespace
}  // namespace dorabooth::testing::vae_overflow_test
