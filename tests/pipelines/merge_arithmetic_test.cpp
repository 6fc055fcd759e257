// Merged LoRAs whose scale is no one: alpha of its own, rsLoRA, ranks and alphas by module; by the
// formula of PEFT's LoraConfig, from a folder as PEFT writes it.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "pipelines/merge.h"
#include "src/base/atomic_file.h"
#include "tests/pipelines/example_base.h"
#include "tests/pipelines/small_adapter.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::merge_arithmetic_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

TEST(MergeArithmetic, ScalesAreAlphaOverRankOrItsRootByModule) {
  const Checkpoint base = Checkpoint::open(base_path());
  const std::string block = "mid_block.attentions.0.transformer_blocks.0.";
  struct Layer {
    std::string path;
    double rank, alpha;
  };
  const std::vector<Layer> layers = {{block + "attn1.to_q", 4, 3},
                                     {block + "attn1.to_k", 2, 3},
                                     {block + "ff.net.2", 4, 10},
                                     {"down_blocks.1.resnets.0.conv1", 3, 5}};
  for (const bool rslora : {false, true}) {
    SCOPED_TRACE(rslora);
    const TemporaryFolder folder;
    const fs::path adapter = folder.path() / "unet";
    fs::create_directories(adapter);
    at::manual_seed(2);
    std::map<std::string, at::Tensor> tensors;
    std::map<std::string, at::Tensor> want;
    for (const Layer& layer : layers) {
      const at::Tensor weight = base_weight(base, "unet." + layer.path);
      std::vector<int64_t> down = weight.sizes().vec();
      std::vector<int64_t> up(down.size(), 1);
      down[0] = up[1] = static_cast<int64_t>(layer.rank);
      up[0] = weight.size(0);
      const at::Tensor a = at::randn(down) * 0.1, b = at::randn(up) * 0.1;
      const std::string stem = "base_model.model." + layer.path;
      tensors[stem + ".lora_A.weight"] = a;
      tensors[stem + ".lora_B.weight"] = b;
      const double scale = layer.alpha / (rslora ? std::sqrt(layer.rank) : layer.rank);
      want[layer.path] = weight.to(at::kDouble) + scale * b.flatten(1)
                                                              .to(at::kDouble)
                                                              .matmul(a.flatten(1).to(at::kDouble))
                                                              .reshape(weight.sizes());
    }
    write_tensors(adapter / "adapter_model.safetensors", tensors, {});
    const json config = {{"peft_type", "LORA"},
                         {"r", 4},
                         {"lora_alpha", 3},
                         {"use_rslora", rslora},
                         {"rank_pattern", {{"attn1.to_k", 2}, {"resnets.0.conv1", 3}}},
                         {"alpha_pattern", {{"ff.net.2", 10}, {"resnets.0.conv1", 5}}}};
    write_file_atomically(adapter / "adapter_config.json", config.dump());
    MergeRequest request;
    request.pretrained_model_name_or_path = base_path();
    request.adapter_path = {adapter.string()};
    request.layout = "unet";
    request.dtype = "fp32";
    request.output = (folder.path() / "merged.safetensors").string();
    Recorder recorder;
    const MergeReport report = merge(request, recorder, {});
    EXPECT_LT(report.largest_forward_error, 1e-5);
    const auto merged = read_tensors(report.path);
    for (const auto& [path, weight] : want) {
      EXPECT_LT(off(merged.at(path + ".weight").to(at::kDouble), weight), 1e-6) << path;
    }
  }
}

}  // namespace
}  // namespace dorabooth::testing::merge_arithmetic_test
