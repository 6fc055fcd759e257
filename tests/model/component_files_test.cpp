// File names of variants and shards, and what is said when nothing fits.
#include "src/model/component_files.h"

#include <gtest/gtest.h>

#include "tests/model/fake_files.h"
#include "tests/support/fixtures.h"

namespace dorabooth::component_files_test {
namespace {

using testing::message_of;
using testing::write_fake_file;
using testing::write_text;

class ComponentFiles : public ::testing::Test {
 protected:
  void write_shards(const std::string& index, const std::string& first, const std::string& second) {
    write_fake_file(folder_.path() / first, {{"a", {2}}});
    write_fake_file(folder_.path() / second, {{"b", {2}}});
    write_text(folder_.path() / index, R"({"metadata": {}, "weight_map": {"a": ")" + first +
                                           R"(", "b": ")" + second + R"("}})");
  }
  // The first tensor's name of each file.
  std::vector<std::string> opened(const std::string& variant,
                                  Component component = Component::kUNet) {
    std::vector<std::string> names;
    for (const auto& file : open_component_files(folder_.path(), component, variant)) {
      names.push_back(file->entries().at(0).name);
    }
    return names;
  }
  using Names = std::vector<std::string>;
  testing::TemporaryFolder folder_;
};

TEST_F(ComponentFiles, PreferTheVariantAndFallBackToThePlainFile) {
  write_fake_file(folder_.path() / "diffusion_pytorch_model.safetensors", {{"plain", {2}}});
  EXPECT_EQ(opened("fp16"), Names{"plain"});
  write_fake_file(folder_.path() / "diffusion_pytorch_model.fp16.safetensors", {{"half", {2}}});
  EXPECT_EQ(opened("fp16"), Names{"half"});
  EXPECT_EQ(opened(""), Names{"plain"});
}

TEST_F(ComponentFiles, TextEncodersHaveTheirOwnStem) {
  write_fake_file(folder_.path() / "model.safetensors", {{"text", {2}}});
  EXPECT_EQ(opened("", Component::kTextEncoder2), Names{"text"});
}

TEST_F(ComponentFiles, OpenShards) {
  write_shards("diffusion_pytorch_model.safetensors.index.json",
               "diffusion_pytorch_model-00001-of-00002.safetensors",
               "diffusion_pytorch_model-00002-of-00002.safetensors");
  EXPECT_EQ(opened(""), (Names{"a", "b"}));
}

TEST_F(ComponentFiles, OpenShardsOfAVariantInBothSpellings) {
  write_shards("model.safetensors.index.fp16.json", "model.fp16-00001-of-00002.safetensors",
               "model.fp16-00002-of-00002.safetensors");
  EXPECT_EQ(opened("fp16", Component::kTextEncoder), (Names{"a", "b"}));
  write_shards("diffusion_pytorch_model.safetensors.fp16.index.json",
               "diffusion_pytorch_model-00001-of-00002.fp16.safetensors",
               "diffusion_pytorch_model-00002-of-00002.fp16.safetensors");
  EXPECT_EQ(opened("fp16"), (Names{"a", "b"}));
}

TEST_F(ComponentFiles, AnIndexCannotLeaveItsFolder) {
  write_text(folder_.path() / "diffusion_pytorch_model.safetensors.index.json",
             R"({"weight_map": {"a": "../outside.safetensors"}})");
  const std::string message = message_of([&] { opened(""); });
  EXPECT_NE(message.find("../outside.safetensors"), message.npos) << message;
}

TEST_F(ComponentFiles, NameTheVariantThatIsThere) {
  write_fake_file(folder_.path() / "diffusion_pytorch_model.fp16.safetensors", {{"half", {2}}});
  const std::string message = message_of([&] { opened(""); });
  EXPECT_NE(message.find("give --variant fp16"), message.npos) << message;
}

TEST_F(ComponentFiles, RefusePickles) {
  write_text(folder_.path() / "diffusion_pytorch_model.bin", "x");
  const std::string message = message_of([&] { opened(""); });
  EXPECT_NE(message.find("never loaded"), message.npos) << message;
}

}  // namespace
}  // namespace dorabooth::component_files_test
