// The whole path on the CUDA kernels, emulated: pictures and merged weights are those of the CPU
// twins. (Training on them: training_numerics_test.cpp.)
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <span>
#include <vector>

#include "kernels/emulation/emulated_core.h"
#include "pipelines/merge.h"
#include "pipelines/sample.h"
#include "src/device/adapter_core_choice.h"
#include "src/imagefile/image_file.h"
#include "src/tensorfile/safetensors.h"
#include "tests/pipelines/example_base.h"
#include "tests/support/fixtures.h"

namespace dorabooth::emulated_core_test {
namespace {

using testing::Recorder;
using testing::TemporaryFolder;

std::vector<float> floats_of(const SafetensorsFile& file, const std::string& name) {
  const TensorEntry& entry = file.at(name);
  EXPECT_EQ(entry.dtype, DType::kF32) << name;
  std::vector<float> values(static_cast<size_t>(entry.numel()));
  file.read(entry, 0, std::as_writable_bytes(std::span(values)));
  return values;
}

class EmulatedCore : public ::testing::TestWithParam<const char*> {
 protected:
  EmulatedCore()
      : adapter_(testing::write_random_adapter(folder_.path() / "adapter.safetensors", "dora", true,
                                               1)) {}

  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  TemporaryFolder folder_;
  Recorder recorder_;
  std::string adapter_;
};

TEST_P(EmulatedCore, SamplesTheSamePicture) {
  SampleRequest request;
  request.pretrained_model_name_or_path = testing::base_path();
  request.prompt = {"a sks icon of penguin"};
  request.adapter_path = {adapter_ + ":0.75"};
  request.strength_rule = GetParam();
  request.num_inference_steps = 2;
  request.guidance_scale = 3;
  request.height = request.width = 64;
  request.device = "cpu";
  const auto draw = [&](const std::string& name) {
    request.output_dir = path(name);
    return read_picture(sample(request, recorder_, {}).pictures.at(0).path).image;
  };
  const Image twin = draw("cpu");
  const AdapterCoreScope scope(emulated_core());
  const Image emulated = draw("emulated");
  ASSERT_EQ(emulated.rgb_hwc.size(), twin.rgb_hwc.size());
  int largest = 0;
  for (size_t i = 0; i < twin.rgb_hwc.size(); ++i) {
    largest = std::max(largest, std::abs(emulated.rgb_hwc[i] - twin.rgb_hwc[i]));
  }
  EXPECT_LE(largest, 1);
}

TEST_P(EmulatedCore, MergesTheSameWeights) {
  MergeRequest request;
  request.pretrained_model_name_or_path = testing::base_path();
  request.adapter_path = {adapter_ + ":0.75"};
  request.strength_rule = GetParam();
  request.layout = "unet";
  request.dtype = "fp32";
  const auto merged = [&](const std::string& name) {
    request.output = path(name);
    return merge(request, recorder_, {}).path;
  };
  const SafetensorsFile twin(merged("cpu.safetensors"));
  const AdapterCoreScope scope(emulated_core());
  const SafetensorsFile emulated(merged("emulated.safetensors"));
  ASSERT_EQ(emulated.entries().size(), twin.entries().size());
  for (const TensorEntry& entry : twin.entries()) {
    const std::vector<float> a = floats_of(twin, entry.name);
    const std::vector<float> b = floats_of(emulated, entry.name);
    ASSERT_EQ(a.size(), b.size()) << entry.name;
    float largest = 0;
    float error = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      largest = std::max(largest, std::abs(a[i]));
      error = std::max(error, std::abs(a[i] - b[i]));
    }
    EXPECT_LE(error, 1e-6f * largest) << entry.name;
  }
}

INSTANTIATE_TEST_SUITE_P(StrengthRules, EmulatedCore, ::testing::Values("peft", "lerp"));

}  // namespace
}  // namespace dorabooth::emulated_core_test
