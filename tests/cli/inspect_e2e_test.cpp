// The exit status of `dorabooth inspect`: 0 sound, 1 problems or unreadable, 2 bad usage.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/cli/program.h"

namespace dorabooth::testing::inspect_e2e_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// A LoRA of one module in kohya's names, [2, 3] and [4, 2], with `value` as its first number.
std::string small_adapter(const fs::path& path, float value, const std::string& name = "lora_up") {
  const std::string stem = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q.";
  const json header = {
      {stem + "lora_down.weight", {{"dtype", "F32"}, {"shape", {2, 3}}, {"data_offsets", {0, 24}}}},
      {stem + name + ".weight", {{"dtype", "F32"}, {"shape", {4, 2}}, {"data_offsets", {24, 56}}}}};
  const std::string text = header.dump();
  const uint64_t length = text.size();
  std::vector<float> numbers(14, 0.5f);
  numbers[0] = value;
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(&length), sizeof length);
  file << text;
  file.write(reinterpret_cast<const char*>(numbers.data()), 56);
  return path.string();
}

TEST(InspectCommand, ExitsWithZeroForWhatIsSound) {
  const TemporaryFolder folder;
  for (const std::string& path :
       {std::string("assets/base"), small_adapter(folder.path() / "a.safetensors", 0.5f)}) {
    const Outcome outcome = run({"inspect", path});
    EXPECT_EQ(outcome.status, 0) << outcome.out << outcome.errors;
    EXPECT_EQ(run({"inspect", path, "--json"}).status, 0);
  }
}

TEST(InspectCommand, ExitsWithOneForProblemsAndForWhatCannotBeRead) {
  const TemporaryFolder folder;
  const std::string nan = small_adapter(folder.path() / "nan.safetensors", std::nanf(""));
  const Outcome outcome = run({"inspect", nan});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.out.find("problem: "), std::string::npos) << outcome.out;
  const Outcome as_json = run({"inspect", nan, "--json"});
  EXPECT_EQ(as_json.status, 1);
  EXPECT_EQ(json::parse(as_json.out).at("problems").size(), 1u);

  const std::string unknown = small_adapter(folder.path() / "u.safetensors", 0.5f, "lora_sideways");
  EXPECT_EQ(run({"inspect", unknown}).status, 1);
  // Sound by itself, but of another base: its layer there is 128 wide.
  const std::string foreign = small_adapter(folder.path() / "f.safetensors", 0.5f);
  EXPECT_EQ(run({"inspect", foreign, "--pretrained_model_name_or_path", "assets/base"}).status, 1);

  std::ofstream(folder.path() / "short.safetensors") << "short";
  EXPECT_EQ(run({"inspect", (folder.path() / "short.safetensors").string()}).status, 1);
  EXPECT_EQ(run({"inspect", (folder.path() / "absent.safetensors").string()}).status, 1);
}

TEST(InspectCommand, ExitsWithTwoForBadUsageAndItsHelpSaysSo) {
  EXPECT_EQ(run({"inspect"}).status, 2);
  EXPECT_EQ(run({"inspect", "assets/base", "--jsn"}).status, 2);
  const Outcome help = run({"inspect", "--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_NE(help.out.find("Exit status: 0 it is sound, 1 it has problems or cannot be read, 2 bad"),
            std::string::npos)
      << help.out;
}

}  // namespace
}  // namespace dorabooth::testing::inspect_e2e_test
