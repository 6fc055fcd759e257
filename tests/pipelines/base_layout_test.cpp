// A base from one layout to the other and back: every bit of every tensor, the configs, and what a
// single file holds beside its models. How the tensors lie in a single file is written out here.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>

#include "pipelines/merge.h"
#include "pipelines/parts/tensor_store.h"
#include "src/base/error.h"
#include "src/model/side_tensors.h"
#include "src/ops/tensor_bytes.h"
#include "tests/pipelines/example_base.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::base_layout_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kLogitScale = "conditioner.embedders.1.model.logit_scale";
constexpr const char* kPositionIds =
    "conditioner.embedders.0.transformer.text_model.embeddings.position_ids";

class BaseLayout : public ::testing::Test {
 protected:
  fs::path path(const char* name) const { return folder_.path() / name; }

  MergeReport run(const fs::path& from, const std::string& layout, const fs::path& to,
                  std::optional<std::string> dtype = {}, const std::string& adapter = "") {
    MergeRequest request;
    request.pretrained_model_name_or_path = from.string();
    // The small base's numbers are not SDXL's, and its tokenizers are its own.
    if (fs::is_regular_file(from)) request.config_dir = base_path();
    request.layout = layout;
    request.dtype = dtype;
    if (!adapter.empty()) request.adapter_path = {adapter};
    (layout == "diffusers" ? request.output_dir : request.output) = to.string();
    return merge(request, recorder_, {});
  }

  // A single file as others publish it: with position ids, the logit scale, a table of the
  // schedule and words about itself.
  fs::path published() {
    run(base_path(), "single_file", path("plain.safetensors"));
    const SafetensorsFile plain(path("plain.safetensors"));
    std::vector<TensorEntry> entries = plain.entries();
    const std::map<std::string, at::Tensor> extras = {
        {kLogitScale, at::full({}, 4.6055, at::kFloat)},
        {kPositionIds, at::arange(77).view({1, 77})},
        {"alphas_cumprod", at::linspace(1, 0, 1000)}};
    for (const auto& [name, tensor] : extras) {
      TensorEntry entry;
      entry.name = name;
      entry.dtype = file_dtype(tensor.scalar_type());
      entry.shape = tensor.sizes().vec();
      entries.push_back(entry);
    }
    std::map<std::string, std::string> metadata = plain.metadata();
    metadata["modelspec.title"] = "A Published Base";
    metadata["modelspec.license"] = "somebody's licence";
    metadata["modelspec.hash_sha256"] = "0x12";
    SafetensorsWriter writer(path("published.safetensors"), entries, metadata);
    for (const TensorEntry& entry : plain.entries()) {
      writer.write(entry.name, 0, {plain.data(entry), entry.bytes()});
    }
    for (const auto& [name, tensor] : extras) {
      writer.write(name, 0,
                   {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()});
    }
    writer.finish();
    return path("published.safetensors");
  }

  TemporaryFolder folder_;
  Recorder recorder_;
};

void expect_same_tensors(const fs::path& a, const fs::path& b) {
  const SafetensorsFile left(a);
  const SafetensorsFile right(b);
  ASSERT_EQ(left.entries().size(), right.entries().size()) << a;
  for (const TensorEntry& entry : left.entries()) {
    const TensorEntry& other = right.at(entry.name);
    EXPECT_EQ(entry.dtype, other.dtype) << entry.name;
    EXPECT_EQ(entry.shape, other.shape) << entry.name;
    ASSERT_EQ(entry.bytes(), other.bytes()) << entry.name;
    EXPECT_EQ(std::memcmp(left.data(entry), right.data(other), entry.bytes()), 0) << entry.name;
  }
}

TEST_F(BaseLayout, AFolderComesBackFromASingleFileBitForBit) {
  const MergeReport single = run(base_path(), "single_file", path("single.safetensors"));
  EXPECT_TRUE(single.layers.empty());
  EXPECT_GT(single.tensors, 100);
  run(path("single.safetensors"), "diffusers", path("back"));
  const fs::path base = base_path();
  for (const char* name :
       {"unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors", "text_encoder_2/model.safetensors"}) {
    expect_same_tensors(base / name, path("back") / name);
  }
  for (const char* name :
       {"model_index.json", "unet/config.json", "vae/config.json", "text_encoder/config.json",
        "text_encoder_2/config.json", "scheduler/scheduler_config.json"}) {
    EXPECT_EQ(json::parse(read_file(base / name)), json::parse(read_file(path("back") / name)))
        << name;
  }
  for (const char* name :
       {"tokenizer/spiece.model", "tokenizer_2/spiece.model", "tokenizer/tokenizer_config.json"}) {
    EXPECT_EQ(read_file(base / name), read_file(path("back") / name)) << name;
  }
}

TEST_F(BaseLayout, ASingleFileComesBackFromAFolderByteForByte) {
  const fs::path from = published();
  run(from, "diffusers", path("folder"));
  run(path("folder"), "single_file", path("back.safetensors"));
  EXPECT_EQ(read_file(from), read_file(path("back.safetensors")));
  const auto tensors = read_tensors(path("back.safetensors"));
  EXPECT_EQ(tensors.at(kLogitScale).item<float>(), 4.6055f);
  EXPECT_TRUE(at::equal(tensors.at(kPositionIds), at::arange(77).view({1, 77})));
  // Through a copy of the folder as well.
  run(path("folder"), "diffusers", path("copy"), "fp32");
  EXPECT_EQ(read_file(path("folder") / kSideTensorsName),
            read_file(path("copy") / kSideTensorsName));
}

TEST_F(BaseLayout, TensorsLieInASingleFileAsItsReadersWantThem) {
  run(base_path(), "single_file", path("single.safetensors"));
  const auto single = read_tensors(path("single.safetensors"));
  const fs::path base = base_path();
  const auto text = read_tensors(base / "text_encoder_2" / "model.safetensors");
  const std::string open_clip = "conditioner.embedders.1.model.";
  EXPECT_TRUE(at::equal(single.at(open_clip + "text_projection"),
                        text.at("text_projection.weight").t().contiguous()));
  for (const char* part : {"weight", "bias"}) {
    std::vector<at::Tensor> rows;
    for (const char* projection : {"q_proj.", "k_proj.", "v_proj."}) {
      rows.push_back(text.at(concat("text_model.encoder.layers.1.self_attn.", projection, part)));
    }
    EXPECT_TRUE(
        at::equal(single.at(concat(open_clip, "transformer.resblocks.1.attn.in_proj_", part)),
                  at::cat(rows)));
  }
  const auto vae = read_tensors(base / "vae" / "diffusion_pytorch_model.safetensors");
  const at::Tensor q = vae.at("encoder.mid_block.attentions.0.to_q.weight");
  const at::Tensor stored = single.at("first_stage_model.encoder.mid.attn_1.q.weight");
  EXPECT_EQ(stored.sizes(), at::IntArrayRef({q.size(0), q.size(1), 1, 1}));
  EXPECT_TRUE(at::equal(stored.flatten(), q.flatten()));
  const auto unet = read_tensors(base / "unet" / "diffusion_pytorch_model.safetensors");
  EXPECT_TRUE(at::equal(single.at("model.diffusion_model.input_blocks.0.0.weight"),
                        unet.at("conv_in.weight")));
}

TEST_F(BaseLayout, AnotherDtypeRoundsEachNumberOnceAndLeavesIntegers) {
  const fs::path from = published();
  run(from, "single_file", path("wide.safetensors"), "fp32");
  const auto wide = read_tensors(path("wide.safetensors"));
  const auto own = read_tensors(from);
  ASSERT_EQ(wide.size(), own.size());
  for (const auto& [name, tensor] : own) {
    const bool is_side = name == kPositionIds || name == kLogitScale || name == "alphas_cumprod";
    const at::Tensor want = is_side ? tensor : tensor.to(at::kFloat);
    EXPECT_EQ(wide.at(name).scalar_type(), want.scalar_type()) << name;
    EXPECT_TRUE(at::equal(wide.at(name), want)) << name;
  }
  // Its hash was that of other bytes.
  EXPECT_FALSE(
      SafetensorsFile(path("wide.safetensors")).metadata().contains("modelspec.hash_sha256"));
}

TEST_F(BaseLayout, AnotherDtypeInMemoryIsTheSameNumbersRoundedOnce) {
  const auto stored =
      read_tensors(fs::path(base_path()) / "unet" / "diffusion_pytorch_model.safetensors");
  const Checkpoint base = Checkpoint::open(base_path());
  int64_t largest = 0;
  for (const auto& [name, tensor] : stored) {
    ASSERT_EQ(tensor.scalar_type(), at::kHalf) << name;
    largest = std::max(largest, tensor.numel());
    const Weights& weights = base.weights(Component::kUNet);
    const at::Tensor wide = tensor.to(at::kFloat);
    EXPECT_TRUE(at::equal(weights.copy(name, at::kFloat, at::kCPU), wide)) << name;
    EXPECT_TRUE(at::equal(weights.copy(name, at::kBFloat16, at::kCPU), wide.to(at::kBFloat16)))
        << name;
  }
  EXPECT_GT(largest, 1 << 16) << "no tensor of several pieces";
}

TEST_F(BaseLayout, AMergedSingleFileKeepsTheLicenceAndItsSideTensors) {
  const std::string adapter =
      write_random_adapter(path("lora.safetensors"), "lora", /*text_encoders=*/true, 1);
  run(published(), "single_file", path("merged.safetensors"), {}, adapter);
  const SafetensorsFile merged(path("merged.safetensors"));
  EXPECT_EQ(merged.metadata().at("modelspec.license"), "somebody's licence");
  EXPECT_EQ(merged.metadata().at("modelspec.title"), "merged");
  EXPECT_FALSE(merged.metadata().contains("modelspec.hash_sha256"));
  EXPECT_NE(merged.find(kLogitScale), nullptr);
}

TEST_F(BaseLayout, ABaseThatHasTheLayoutAlreadyNeedsAnAdapter) {
  const std::string message = message_of([&] { run(base_path(), "diffusers", path("same")); });
  EXPECT_NE(message.find("nothing to merge"), std::string::npos) << message;
  EXPECT_FALSE(fs::exists(path("same")));
}

TEST_F(BaseLayout, AFoldersSideFileWithAModelsTensorIsRefused) {
  run(published(), "diffusers", path("folder"));
  TensorEntry entry;
  entry.name = "model.diffusion_model.out.2.bias";
  entry.shape = {1};
  const float value = 0;
  SafetensorsWriter writer(path("folder") / kSideTensorsName, {entry}, {});
  writer.write(entry.name, 0, std::as_bytes(std::span(&value, 1)));
  writer.finish();
  const std::string message =
      message_of([&] { run(path("folder"), "single_file", path("back.safetensors")); });
  EXPECT_NE(message.find("model.diffusion_model.out.2.bias"), std::string::npos) << message;
}

}  // namespace
}  // namespace dorabooth::testing::base_layout_test
