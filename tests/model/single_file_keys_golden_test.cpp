// Every key of full-size SDXL base, both ways.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "src/model/single_file_config.h"
#include "src/model/single_file_keys.h"
#include "tests/support/fixtures.h"

namespace dorabooth::single_file_keys_golden_test {
namespace {

using nlohmann::json;

// The key map's words for a change.
std::string note_of(const KeyChange& change) {
  switch (change.kind) {
    case KeyChange::kNone:
      return "";
    case KeyChange::kTranspose:
      return "transpose";
    case KeyChange::kReshape:
      return "reshape [C,C] -> [C,C,1,1]";
    case KeyChange::kRows:
      return "rows " + std::to_string(change.part) + "/3 of the fused q;k;v";
  }
  return "?";
}

class KeyMap : public ::testing::Test {
 protected:
  json map_ = testing::fixture_json("single_file_keymap.json").at("map");
  KeyLayout layout_ = layout_of_configs(testing::fixture_json("sdxl_base_config/unet/config.json"),
                                        testing::fixture_json("sdxl_base_config/vae/config.json"),
                                        "sdxl_base_config");

  static Component component(const std::string& name) {
    for (const Component one : kComponents) {
      if (component_name(one) == name) return one;
    }
    ADD_FAILURE() << "unknown component " << name;
    return Component::kUNet;
  }
};

TEST_F(KeyMap, GivesEverySingleFileKey) {
  ASSERT_FALSE(map_.empty());
  for (const json& row : map_) {
    const std::string name = row.at(1);
    const auto key = to_single_file(component(row.at(0)), name, layout_);
    ASSERT_TRUE(key) << name;
    EXPECT_EQ(key->name, row.at(3).get<std::string>()) << name;
    EXPECT_EQ(note_of(key->change), row.at(4).get<std::string>()) << name;
  }
}

TEST_F(KeyMap, GivesEveryDiffusersKeyBack) {
  using Found = std::set<std::array<std::string, 3>>;  // component, name, note
  std::map<std::string, Found> expected;
  for (const json& row : map_) {
    expected[row.at(3)].insert(
        {row.at(0).get<std::string>(), row.at(1).get<std::string>(), row.at(4).get<std::string>()});
  }
  for (const auto& [single, want] : expected) {
    Found found;
    for (const ComponentKey& key : to_diffusers(single, layout_)) {
      found.insert({component_name(key.component), key.name, note_of(key.change)});
    }
    EXPECT_EQ(found, want) << single;
  }
}

}  // namespace
}  // namespace dorabooth::single_file_keys_golden_test
