// Adapter files that are incomplete, contradictory or hostile, and scales of every kind.
#include "src/adapter/adapter_file.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "tests/adapter/base_layers.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::adapter_file_test {
namespace {

namespace fs = std::filesystem;
using Tensors = std::map<std::string, at::Tensor>;

const std::string kQ = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q";    // [8,8]
const std::string kK = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k";    // [8,6]
const std::string kTextQ = "text_encoder.text_model.encoder.layers.0.self_attn.q_proj";  // [4,4]
const std::string kText2Q = "text_encoder_2.text_model.encoder.layers.0.self_attn.q_proj";

BaseLayers small_base() {
  BaseLayers base;
  base.add(kQ, 8, 8);
  base.add(kK, 8, 6);
  base.add(kTextQ, 4, 4);
  base.add(kText2Q, 4, 4);
  return base;
}

Tensors pair(const std::string& stem, int64_t out, int64_t in, int64_t rank,
             const std::string& a = ".lora_A.weight", const std::string& b = ".lora_B.weight") {
  return {{stem + a, at::arange(rank * in).to(at::kFloat).reshape({rank, in}) / 7},
          {stem + b, at::arange(out * rank).to(at::kFloat).reshape({out, rank}) / 3}};
}

Tensors kohya_pair(const std::string& stem, int64_t out, int64_t in, int64_t rank) {
  return pair(stem, out, in, rank, ".lora_down.weight", ".lora_up.weight");
}

const std::string kKohyaQ = "lora_unet_middle_block_1_transformer_blocks_0_attn1_to_q";
const std::string kKohyaK = "lora_unet_middle_block_1_transformer_blocks_0_attn2_to_k";

class AdapterFileTest : public ::testing::Test {
 protected:
  AdapterFile read(const Tensors& tensors,
                   const std::map<std::string, std::string>& metadata = {}) {
    const fs::path path = folder_.path() / "adapter.safetensors";
    write_tensor_file(path, tensors, metadata);
    return read_adapter_file(path, base_.layers);
  }

  void expect_refused(const Tensors& tensors, const std::string& part,
                      const std::map<std::string, std::string>& metadata = {}) {
    const std::string message = message_of([&] { read(tensors, metadata); });
    EXPECT_NE(message.find("adapter.safetensors"), std::string::npos) << message;
    EXPECT_NE(message.find(part), std::string::npos) << part << " is not in: " << message;
  }

  TemporaryFolder folder_;
  BaseLayers base_ = small_base();
};

TEST_F(AdapterFileTest, AbsentAlphaIsTheRank) {
  Tensors tensors = pair(kQ, 8, 8, 2);
  tensors.merge(pair(kK, 8, 6, 3));
  const AdapterFile file = read(tensors);
  EXPECT_EQ(file.modules.at(kQ).alpha, 2.0);
  EXPECT_EQ(file.modules.at(kK).alpha, 3.0);
  EXPECT_EQ(file.spec.rank_of(kQ), 2);
  EXPECT_EQ(file.spec.rank_of(kK), 3);
  EXPECT_EQ(file.spec.alpha, std::nullopt);
}

TEST_F(AdapterFileTest, AMissingHalfIsNamed) {
  for (const char* half : {".lora_A.weight", ".lora_B.weight"}) {
    Tensors tensors = pair(kQ, 8, 8, 2);
    tensors.erase(kQ + half);
    expect_refused(tensors, kQ);
  }
  Tensors tensors = pair(kQ, 8, 8, 2);
  tensors[kK + ".lora_magnitude_vector"] = at::ones(8);
  expect_refused(tensors, kK);
  expect_refused({}, "no tensors");
}

TEST_F(AdapterFileTest, AWrongShapeIsNamed) {
  for (const auto& [a, b] : std::vector<std::pair<at::Tensor, at::Tensor>>{
           {at::ones({2, 7}), at::ones({8, 2})},
           {at::ones({2, 8}), at::ones({7, 2})},
           {at::ones({2, 8}), at::ones({8, 3})},
           {at::ones({16}), at::ones({8, 2})},
           {at::ones({0, 8}), at::ones({8, 0})},
           {at::ones({2, 8, 3, 3}), at::ones({8, 2, 1, 1})}}) {
    expect_refused({{kQ + ".lora_A.weight", a}, {kQ + ".lora_B.weight", b}}, kQ);
  }
  Tensors tensors = pair(kQ, 8, 8, 2);
  tensors[kQ + ".lora_magnitude_vector"] = at::ones(7);
  expect_refused(tensors, kQ + ".lora_magnitude_vector");
}

TEST_F(AdapterFileTest, FactorsOfPointConvolutionsAreMatrices) {
  Tensors tensors = kohya_pair(kKohyaQ, 8, 8, 2);
  for (auto& [name, tensor] : tensors) tensor = tensor.unsqueeze(-1).unsqueeze(-1);
  EXPECT_EQ(read(tensors).modules.at(kQ).a.sizes(), (at::IntArrayRef{2, 8}));
}

TEST_F(AdapterFileTest, ValuesThatAreNotFiniteAreNamed) {
  for (const float value :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Tensors tensors = pair(kQ, 8, 8, 2);
    tensors[kQ + ".lora_B.weight"][3][1] = value;
    expect_refused(tensors, kQ + ".lora_B.weight");
  }
}

TEST_F(AdapterFileTest, IntegersAreRefusedAndHalvesAreRead) {
  Tensors tensors = pair(kQ, 8, 8, 2);
  tensors[kQ + ".lora_A.weight"] = at::ones({2, 8}, at::kInt);
  expect_refused(tensors, "I32");
  tensors[kQ + ".lora_A.weight"] = at::ones({2, 8}, at::kHalf);
  EXPECT_EQ(read(tensors).modules.at(kQ).a.scalar_type(), at::kFloat);
}

TEST_F(AdapterFileTest, TheSameTensorTwiceIsRefused) {
  Tensors tensors = pair(kQ, 8, 8, 2);
  tensors[kQ + ".lora.down.weight"] = at::ones({2, 8});
  expect_refused(tensors, "same tensor");
}

TEST_F(AdapterFileTest, MixedLayoutsAreRefused) {
  Tensors tensors = pair(kQ, 8, 8, 2);
  tensors.merge(kohya_pair(kKohyaK, 8, 6, 2));
  expect_refused(tensors, "different layouts");
}

TEST_F(AdapterFileTest, AnUnknownKeyIsNamed) {
  Tensors tensors = pair(kQ, 8, 8, 2);
  tensors["unet.conv_in.lora_A.weight"] = at::ones({2, 8});
  expect_refused(tensors, "unet.conv_in.lora_A.weight");
}

TEST_F(AdapterFileTest, AlphaTensorsMustBePositiveScalars) {
  for (const at::Tensor& alpha : {at::zeros({}), at::full({1}, -1.0), at::ones({2})}) {
    Tensors tensors = kohya_pair(kKohyaQ, 8, 8, 2);
    tensors[kKohyaQ + ".alpha"] = alpha;
    expect_refused(tensors, kKohyaQ + ".alpha");
  }
  Tensors tensors = kohya_pair(kKohyaQ, 8, 8, 2);
  tensors[kKohyaQ + ".alpha"] = at::full({1}, 6.0);
  EXPECT_EQ(read(tensors).modules.at(kQ).alpha, 6.0);
}

TEST_F(AdapterFileTest, AlphaTensorsBesideAHeaderAreRefused) {
  Tensors tensors = pair(kQ, 8, 8, 2);
  tensors[kQ + ".alpha"] = at::full({}, 6.0);
  expect_refused(tensors, "alpha", {{"lora_adapter_metadata", R"({"unet.r": 2})"}});
}

TEST_F(AdapterFileTest, TheHeaderMustAgreeWithTheTensors) {
  const Tensors lora = pair(kQ, 8, 8, 2);
  Tensors dora = lora;
  dora[kQ + ".lora_magnitude_vector"] = at::ones(8);
  const auto header = [](const std::string& json) {
    return std::map<std::string, std::string>{{"lora_adapter_metadata", json}};
  };
  expect_refused(lora, "rank", header(R"({"unet.r": 3})"));
  expect_refused(lora, "use_dora", header(R"({"unet.r": 2, "unet.use_dora": true})"));
  expect_refused(dora, "use_dora", header(R"({"unet.r": 2})"));
  expect_refused(lora, "bias", header(R"({"unet.r": 2, "unet.bias": "all"})"));
  expect_refused(lora, "JSON", header("{"));
  expect_refused(lora, "dorabooth", {{"dorabooth", R"({"spec": {}})"}});
  expect_refused(lora, "rankk", {{"dorabooth", R"({"scale_in_B": true, "spec": {"rankk": 2}})"}});
  expect_refused(lora, "rank 3", {{"dorabooth", R"({"scale_in_B": true, "spec": {"rank": 3}})"}});
}

TEST_F(AdapterFileTest, DoraHoldsForAWholeComponent) {
  Tensors tensors = pair(kQ, 8, 8, 2);
  tensors.merge(pair(kK, 8, 6, 2));
  tensors[kQ + ".lora_magnitude_vector"] = at::ones(8);
  expect_refused(tensors, kK);
}

TEST_F(AdapterFileTest, OneDimensionalScalesOfSquareLayersFollowTheOthers) {
  Tensors tensors = kohya_pair(kKohyaQ, 8, 8, 2);
  tensors[kKohyaQ + ".dora_scale"] = at::ones(8);
  expect_refused(tensors, "wd_on_output");
  EXPECT_EQ(read(tensors, {{"ss_network_args", R"({"wd_on_output": "False"})"}}).spec.norm_axis,
            "input");
  tensors.merge(kohya_pair(kKohyaK, 8, 6, 2));
  tensors[kKohyaK + ".dora_scale"] = at::ones({1, 6});
  const AdapterFile file = read(tensors);
  EXPECT_EQ(file.spec.norm_axis, "input");
  EXPECT_EQ(file.modules.at(kK).m.sizes(), (at::IntArrayRef{6}));
}

TEST_F(AdapterFileTest, RsLoraOfOneComponentIsCarriedByAlpha) {
  Tensors tensors = pair(kQ, 8, 8, 4);
  tensors.merge(pair(kTextQ, 4, 4, 4));
  const AdapterFile file =
      read(tensors, {{"lora_adapter_metadata",
                      R"({"unet.r": 4, "unet.lora_alpha": 6, "unet.use_rslora": true,
                          "text_encoder.r": 4, "text_encoder.lora_alpha": 6})"}});
  EXPECT_FALSE(file.spec.use_rslora);
  EXPECT_EQ(file.modules.at(kQ).alpha, 12.0);
  EXPECT_EQ(file.modules.at(kTextQ).alpha, 6.0);
  EXPECT_EQ(file.spec.alpha_of(kQ), 12.0);
}

TEST_F(AdapterFileTest, RankAndAlphaPatternsSurviveTheFile) {
  AdapterSpec spec;
  spec.kind = "lora";
  spec.rank = 2;
  spec.alpha = 4.0;
  spec.target_modules = {"to_q", "to_k"};
  spec.rank_pattern = {"*attn2*=4"};
  spec.alpha_pattern = {"*attn2*=1"};
  std::map<std::string, AdapterTensors> modules;
  modules[kQ] = {at::ones({2, 8}) / 3, at::ones({8, 2}) / 3, {}, 4.0};
  modules[kK] = {at::ones({4, 6}) / 3, at::ones({8, 4}) / 3, {}, 1.0};
  const fs::path path = folder_.path() / "patterns.safetensors";
  write_diffusers_adapter(path, spec, modules, {});
  const AdapterFile file = read_adapter_file(path, base_.layers);
  expect_same_modules(file.modules, modules);
  EXPECT_EQ(adapter_spec_fields().to_json(&file.spec), adapter_spec_fields().to_json(&spec));
}

// A scale that is no power of two is rounded into B once on the way out and once on the way in.
TEST_F(AdapterFileTest, AnyScaleComesBackToTheLastBit) {
  AdapterSpec spec;
  spec.rank = 8;
  spec.alpha = 8.0;
  spec.use_rslora = true;
  spec.target_modules = {"to_q"};
  std::map<std::string, AdapterTensors> modules;
  modules[kQ] = {at::ones({8, 8}), at::arange(64).to(at::kFloat).reshape({8, 8}) / 7, {}, 8.0};
  for (const bool kohya : {false, true}) {
    const fs::path path = folder_.path() / "scale.safetensors";
    if (kohya) {
      write_kohya_adapter(path, spec, modules, {});
    } else {
      write_diffusers_adapter(path, spec, modules, {});
    }
    const AdapterFile file = read_adapter_file(path, base_.layers);
    EXPECT_TRUE(file.spec.use_rslora);
    const at::Tensor& b = modules.at(kQ).b;
    const double tolerance = kohya ? 0.0 : std::numeric_limits<float>::epsilon();
    EXPECT_TRUE(((file.modules.at(kQ).b - b).abs() <= b.abs() * tolerance).all().item<bool>());
  }
}

TEST_F(AdapterFileTest, InputAxisDoraIsWrittenInKohyasFormatAlone) {
  AdapterSpec spec;
  spec.kind = "dora";
  spec.rank = 2;
  spec.norm_axis = "input";
  spec.target_modules = {"to_q", "to_k"};
  std::map<std::string, AdapterTensors> modules;
  modules[kQ] = {at::ones({2, 8}), at::ones({8, 2}), at::arange(8).to(at::kFloat), 2.0};
  modules[kK] = {at::ones({2, 6}), at::ones({8, 2}), at::arange(6).to(at::kFloat), 2.0};
  const fs::path path = folder_.path() / "input.safetensors";
  EXPECT_NE(message_of([&] { write_diffusers_adapter(path, spec, modules, {}); }).find("kohya"),
            std::string::npos);
  EXPECT_FALSE(fs::exists(path));
  write_adapter_file(path, spec, modules, {});
  const AdapterFile file = read_adapter_file(path, base_.layers);
  EXPECT_EQ(file.format, "kohya");
  EXPECT_EQ(file.spec.norm_axis, "input");
  expect_same_modules(file.modules, modules);
}

TEST_F(AdapterFileTest, ValuesThatAreNotFiniteAreNotWritten) {
  AdapterSpec spec;
  spec.rank = 2;
  std::map<std::string, AdapterTensors> modules;
  modules[kQ] = {
      at::full({2, 8}, std::numeric_limits<double>::quiet_NaN()), at::ones({8, 2}), {}, 2.0};
  const fs::path path = folder_.path() / "nan.safetensors";
  EXPECT_NE(message_of([&] { write_diffusers_adapter(path, spec, modules, {}); }).find(kQ),
            std::string::npos);
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(AdapterFileTest, OurHeaderEntriesCannotBeSetFromOutside) {
  AdapterSpec spec;
  spec.rank = 2;
  std::map<std::string, AdapterTensors> modules;
  modules[kQ] = {at::ones({2, 8}), at::ones({8, 2}), {}, 2.0};
  const fs::path path = folder_.path() / "adapter.safetensors";
  EXPECT_NE(message_of([&] {
              write_diffusers_adapter(path, spec, modules, {{"dorabooth", "{}"}});
            }).find("dorabooth"),
            std::string::npos);
}

TEST_F(AdapterFileTest, FoldersWithoutAnAdapterAndPicklesAreRefused) {
  EXPECT_NE(message_of([&] {
              read_adapter_file(folder_.path(), base_.layers);
            }).find("pytorch_lora_weights"),
            std::string::npos);
  EXPECT_NE(message_of([&] {
              read_adapter_file(folder_.path() / "none", base_.layers);
            }).find("no such file"),
            std::string::npos);
  std::ofstream(folder_.path() / "adapter.bin") << "x";
  EXPECT_NE(message_of([&] {
              read_adapter_file(folder_.path() / "adapter.bin", base_.layers);
            }).find("pickle"),
            std::string::npos);
}

class PeftFolderTest : public AdapterFileTest {
 protected:
  void write(const fs::path& folder, const std::string& module, const std::string& config) {
    fs::create_directories(folder);
    write_tensor_file(folder / "adapter_model.safetensors",
                      pair("base_model.model." + module, 4, 4, 2));
    std::ofstream(folder / "adapter_config.json") << config;
  }
};

TEST_F(PeftFolderTest, TheTextEncoderIsToldByTheBaseOrTheFolder) {
  const std::string module = "text_model.encoder.layers.0.self_attn.q_proj";
  const fs::path folder = folder_.path() / "x";
  write(folder, module,
        R"({"peft_type": "LORA", "r": 2, "base_model_name_or_path": "base/text_encoder_2"})");
  EXPECT_TRUE(read_adapter_file(folder, base_.layers).modules.contains(kText2Q));
  write(folder, module, R"({"peft_type": "LORA", "r": 2})");
  EXPECT_NE(message_of([&] { read_adapter_file(folder, base_.layers); }).find("text_encoder_2"),
            std::string::npos);
  const fs::path named = folder_.path() / "style_te1";
  write(named, module, R"({"peft_type": "LORA", "r": 2})");
  EXPECT_TRUE(read_adapter_file(named, base_.layers).modules.contains(kTextQ));
}

TEST_F(PeftFolderTest, TheConfigIsNeededAndItsAlphaHolds) {
  const fs::path folder = folder_.path() / "text_encoder";
  write(folder, "encoder.layers.0.self_attn.q_proj",
        R"({"peft_type": "LORA", "r": 2, "lora_alpha": 3})");
  EXPECT_EQ(read_adapter_file(folder, base_.layers).modules.at(kTextQ).alpha, 3.0);
  fs::remove(folder / "adapter_config.json");
  EXPECT_NE(
      message_of([&] { read_adapter_file(folder, base_.layers); }).find("adapter_config.json"),
      std::string::npos);
}

TEST_F(PeftFolderTest, AnUnknownModuleIsNamed) {
  const fs::path folder = folder_.path() / "te";
  write(folder, "encoder.layers.9.self_attn.q_proj", R"({"peft_type": "LORA", "r": 2})");
  EXPECT_NE(message_of([&] { read_adapter_file(folder, base_.layers); }).find("layers.9"),
            std::string::npos);
}

}  // namespace
}  // namespace dorabooth::testing::adapter_file_test
