// The header entries that other tools look for in kohya's and diffusers' files, each by what reads
// it (kohya train_network.py and sai_model_spec.py, A1111 network.py, ModelSpec 1.0.0).
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "src/adapter/adapter_file.h"
#include "src/base/atomic_file.h"
#include "src/base/hash.h"
#include "src/tensorfile/safetensors.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::adapter_metadata_test {
namespace {

namespace fs = std::filesystem;
using Metadata = std::map<std::string, std::string>;

const std::string kQ = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q";

class AdapterMetadata : public ::testing::Test {
 protected:
  AdapterMetadata() {
    spec_.rank = 2;
    spec_.target_modules = {"to_q"};
  }

  // A 4×3 weight's adapter.
  std::map<std::string, AdapterTensors> modules() const {
    AdapterTensors own{at::arange(6).to(at::kFloat).reshape({2, 3}) / 7,
                       at::arange(8).to(at::kFloat).reshape({4, 2}) / 3,
                       {},
                       spec_.alpha.value_or(2.0)};
    if (spec_.kind == "dora") own.m = at::ones({spec_.norm_axis == "output" ? 4 : 3});
    return {{kQ, own}};
  }

  const fs::path& path() const { return path_; }
  Metadata header() const { return SafetensorsFile(path_).metadata(); }

  Metadata kohya(const Metadata& extra = {}) {
    write_kohya_adapter(path_, spec_, modules(), extra);
    return header();
  }
  Metadata comfyui(const Metadata& extra = {}) {
    const std::map<std::string, RowNorms> norms = {{kQ, {at::ones({4}), 2 * at::ones({4})}}};
    write_comfyui_adapter(path_, spec_, modules(), norms, extra);
    return header();
  }
  Metadata diffusers(const Metadata& extra = {}) {
    write_diffusers_adapter(path_, spec_, modules(), extra);
    return header();
  }

  // Of everything behind the header.
  std::string sha256_of_tensors() const {
    const std::string bytes = read_file(path_);
    uint64_t length = 0;
    for (int i = 7; i >= 0; --i) length = length << 8 | static_cast<unsigned char>(bytes.at(i));
    Sha256 hash;
    hash.update(std::string_view(bytes).substr(8 + length));
    return hash.hex();
  }

  AdapterSpec spec_;
  TemporaryFolder folder_;
  const fs::path path_ = folder_.path() / "my_dog.safetensors";
};

TEST_F(AdapterMetadata, A1111TakesAFileForSdxlByItsBaseModelVersion) {
  for (const Metadata& one : {kohya(), comfyui(), diffusers()})
    EXPECT_EQ(one.at("ss_base_model_version").substr(0, 5), "sdxl_");
}

TEST_F(AdapterMetadata, AKohyaFileHasNoMetadataOfPeft) {
  EXPECT_EQ(kohya().count("lora_adapter_metadata"), 0u);
  EXPECT_EQ(comfyui().count("lora_adapter_metadata"), 0u);
}

TEST_F(AdapterMetadata, ADiffusersFileHasItAndNoAlphas) {
  spec_.alpha = 5.0;
  EXPECT_EQ(diffusers().count("lora_adapter_metadata"), 1u);
  const SafetensorsFile file(path());
  for (const TensorEntry& entry : file.entries())
    EXPECT_EQ(entry.name.find("alpha"), std::string::npos) << entry.name;
}

TEST_F(AdapterMetadata, APlainLoraIsOfKohyasNetwork) {
  for (const Metadata& one : {kohya(), comfyui()}) {
    EXPECT_EQ(one.at("ss_network_module"), "networks.lora");
    EXPECT_EQ(one.count("ss_network_args"), 0u);
  }
}

TEST_F(AdapterMetadata, ADoraIsOfLycorisAndTellsItsAxis) {
  spec_.kind = "dora";
  for (const Metadata& one : {kohya(), comfyui()}) {
    EXPECT_EQ(one.at("ss_network_module"), "lycoris.kohya");
    EXPECT_EQ(nlohmann::json::parse(one.at("ss_network_args")),
              (nlohmann::json{{"algo", "lora"}, {"dora_wd", "True"}, {"wd_on_output", "True"}}));
  }
  spec_.norm_axis = "input";
  EXPECT_EQ(nlohmann::json::parse(kohya().at("ss_network_args")).at("wd_on_output"), "False");
}

TEST_F(AdapterMetadata, RankAndAlphaStandAsText) {
  spec_.alpha = 5.0;
  for (const Metadata& one : {kohya(), comfyui()}) {
    EXPECT_EQ(one.at("ss_network_dim"), "2");
    EXPECT_EQ(one.at("ss_network_alpha"), "5");
  }
}

TEST_F(AdapterMetadata, TheNameInA1111IsTheFilesUnlessItHadOne) {
  EXPECT_EQ(kohya().at("ss_output_name"), "my_dog");
  EXPECT_EQ(comfyui().at("ss_output_name"), "my_dog");
  EXPECT_EQ(kohya({{"ss_output_name", "rex"}}).at("ss_output_name"), "rex");
}

TEST_F(AdapterMetadata, WhatModelSpecDemandsIsThere) {
  for (const Metadata& one : {kohya(), comfyui(), diffusers()}) {
    EXPECT_EQ(one.at("modelspec.sai_model_spec"), "1.0.0");
    EXPECT_EQ(one.at("modelspec.architecture"), "stable-diffusion-xl-v1-base/lora");
    EXPECT_EQ(one.at("modelspec.title"), "LoRA of rank 2");
  }
  EXPECT_EQ(kohya().at("modelspec.implementation"),
            "https://github.com/Stability-AI/generative-models");
  EXPECT_EQ(diffusers().at("modelspec.implementation"), "diffusers");
}

TEST_F(AdapterMetadata, TheHashesAreOfTheTensorsBytes) {
  Metadata one = kohya();
  EXPECT_EQ(one.at("sshs_model_hash"), sha256_of_tensors());
  EXPECT_EQ(one.at("modelspec.hash_sha256"), "0x" + sha256_of_tensors());
  one = comfyui();
  EXPECT_EQ(one.at("sshs_model_hash"), sha256_of_tensors());
  one = diffusers();
  EXPECT_EQ(one.at("modelspec.hash_sha256"), "0x" + sha256_of_tensors());
}

// kohya's addnet_hash_legacy: of the 64 KB behind the first MB of the file as it would be with the
// ss_* entries alone in its header, whose JSON is padded to 8 bytes.
TEST_F(AdapterMetadata, TheLegacyHashIsOfAWindowOfTheFileWithTrainingEntriesAlone) {
  EXPECT_EQ(kohya().at("sshs_legacy_hash"), "e3b0c442");  // SHA-256 of nothing: the file is short
  at::manual_seed(3);
  std::map<std::string, AdapterTensors> large = modules();
  large.at(kQ).a = at::randn({2, 150000});
  write_kohya_adapter(path_, spec_, large, {{"ss_steps", "20"}, {"modelspec.author", "someone"}});
  const std::string bytes = read_file(path_);
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | static_cast<unsigned char>(bytes.at(i));
  auto json = nlohmann::json::parse(bytes.substr(8, length));
  nlohmann::json kept = nlohmann::json::object();
  for (const auto& [key, value] : json.at("__metadata__").items()) {
    if (key.starts_with("ss_")) kept[key] = value;
  }
  EXPECT_GT(kept.size(), 3u);
  json["__metadata__"] = kept;
  const size_t header_bytes = 8 + (json.dump().size() + 7) / 8 * 8;
  Sha256 hash;
  hash.update(std::string_view(bytes).substr(8 + length).substr(0x100000 - header_bytes, 0x10000));
  EXPECT_EQ(header().at("sshs_legacy_hash"), hash.hex().substr(0, 8));
}

TEST_F(AdapterMetadata, AHashOfAnotherFileIsNotCarriedOver) {
  const Metadata one = kohya({{"modelspec.hash_sha256", "0x0"}, {"sshs_model_hash", "0"}});
  EXPECT_EQ(one.at("modelspec.hash_sha256"), "0x" + sha256_of_tensors());
  EXPECT_EQ(one.at("sshs_model_hash"), sha256_of_tensors());
}

TEST_F(AdapterMetadata, WhatTheTrainingWroteIsKept) {
  const Metadata facts = {{"ss_steps", "20"},
                          {"modelspec.resolution", "64x64"},
                          {"modelspec.date", "2026-01-02T03:04:05Z"},
                          {"modelspec.trigger_phrase", "a photo of sks dog"}};
  for (const Metadata& one : {kohya(facts), comfyui(facts), diffusers(facts)}) {
    for (const auto& [key, value] : facts) EXPECT_EQ(one.at(key), value) << key;
  }
}

TEST_F(AdapterMetadata, ComfyUisMagnitudesAreSaidToBeNoOnesElse) {
  spec_.kind = "dora";
  EXPECT_NE(comfyui().at("dorabooth_dora_scale").find("ComfyUI"), std::string::npos);
  EXPECT_EQ(kohya().count("dorabooth_dora_scale"), 0u);
}

}  // namespace
}  // namespace dorabooth::testing::adapter_metadata_test
