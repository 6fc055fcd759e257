// The merged weights of fixtures/adapters through the merge pipeline.
#include <gtest/gtest.h>

#include "pipelines/merge.h"
#include "pipelines/parts/tensor_store.h"
#include "tests/support/fixtures.h"
#include "tests/support/golden_tensors.h"

namespace dorabooth::merge_golden_test {
namespace {

using testing::expect_close;
using testing::fixture_json;
using testing::fixture_path;
using testing::GoldenFile;

class Silent : public Progress {
 public:
  void on(const Event&) override {}
};

TEST(MergeGolden, MergedWeightsEqualTheReference) {
  const nlohmann::json adapters = fixture_json("adapters/adapters.json");
  for (const auto& kind : adapters.at("kinds")) {
    const std::string name = kind.at("kind");
    SCOPED_TRACE(name);
    const testing::TemporaryFolder folder;
    Silent progress;
    MergeRequest request;
    request.pretrained_model_name_or_path = fixture_path("tiny_sdxl").string();
    request.adapter_path = {fixture_path("adapters/diffusers_" + name + ".safetensors").string()};
    request.output_dir = (folder.path() / "merged").string();
    merge(request, progress, {});

    std::map<std::string, at::Tensor> merged;
    for (const char* component : {"unet", "text_encoder", "text_encoder_2"}) {
      const char* file = std::string(component) == "unet" ? "diffusion_pytorch_model.safetensors"
                                                          : "model.safetensors";
      for (auto& [key, tensor] : read_tensors(folder.path() / "merged" / component / file)) {
        merged[std::string(component) + "." + key] = tensor;
      }
    }
    const GoldenFile golden("adapters/merged_" + name + ".safetensors");
    EXPECT_GT(golden.all().size(), 0u);
    for (const auto& [key, want] : golden.all()) {
      ASSERT_TRUE(merged.contains(key)) << key;
      expect_close(merged.at(key), want, 2e-6, 0.0, key);
    }
  }
}

}  // namespace
}  // namespace dorabooth::merge_golden_test
