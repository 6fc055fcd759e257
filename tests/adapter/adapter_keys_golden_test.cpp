// The key grammar against the key map of full-size SDXL.
#include "src/adapter/adapter_keys.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "src/adapter/sgm_names.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::adapter_keys_golden_test {
namespace {

struct Row {
  std::string component, diffusers_key, single_file_key;
  bool is_matrix = false;
};

std::vector<Row> key_map() {
  std::vector<Row> rows;
  const nlohmann::json json = fixture_json("single_file_keymap.json");
  for (const auto& row : json.at("map")) {
    rows.push_back({row.at(0), row.at(1), row.at(3), row.at(2).size() == 2});
  }
  return rows;
}

constexpr std::string_view kUnetPrefix = "model.diffusion_model.";
constexpr std::string_view kWeight = ".weight";

TEST(SgmNamesGolden, EveryUnetKeyHasItsOriginalName) {
  size_t checked = 0;
  for (const Row& row : key_map()) {
    if (row.component != "unet") continue;
    EXPECT_EQ(sgm_unet_path(row.diffusers_key), row.single_file_key.substr(kUnetPrefix.size()));
    ++checked;
  }
  EXPECT_GT(checked, 0u);
}

TEST(AdapterKeysGolden, EverySdxlMatrixIsFoundUnderItsFlattenedNames) {
  std::vector<std::string> modules;
  std::map<std::string, std::string> by_kohya_name;
  for (const Row& row : key_map()) {
    if (!row.is_matrix || row.component == "vae" || !row.diffusers_key.ends_with(kWeight)) continue;
    const auto stem = [](const std::string& key) {
      return key.substr(0, key.size() - kWeight.size());
    };
    const auto flat = [](std::string name) {
      std::replace(name.begin(), name.end(), '.', '_');
      return name;
    };
    const std::string module = row.component + "." + stem(row.diffusers_key);
    modules.push_back(module);
    if (row.component == "unet") {
      const std::string sgm = stem(row.single_file_key).substr(kUnetPrefix.size());
      by_kohya_name["lora_unet_" + flat(sgm)] = module;
      by_kohya_name["lora_unet_" + flat(stem(row.diffusers_key))] = module;
    } else {
      const std::string prefix = row.component == "text_encoder" ? "lora_te1_" : "lora_te2_";
      by_kohya_name[prefix + flat(stem(row.diffusers_key))] = module;
    }
  }
  const AdapterKeys keys(modules);
  for (const auto& [name, module] : by_kohya_name) {
    EXPECT_EQ(keys.parse(name + ".lora_down.weight").module, module);
    EXPECT_EQ(keys.parse(name + ".dora_scale").module, module);
  }
  for (const std::string& module : modules) {
    EXPECT_EQ(keys.parse(module + ".lora_A.weight").module, module);
    EXPECT_EQ(keys.parse(kohya_module_name(module) + ".alpha").module, module);
  }
  EXPECT_GT(modules.size(), 0u);
}

}  // namespace
}  // namespace dorabooth::testing::adapter_keys_golden_test
