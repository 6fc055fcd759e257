// The presets under configs/ and the generated page beside them.
#include "ui/cli/configs_readme.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "pipelines/analyze.h"
#include "pipelines/bench.h"
#include "pipelines/compare.h"
#include "pipelines/convert.h"
#include "pipelines/evaluate.h"
#include "pipelines/extract.h"
#include "pipelines/inspect.h"
#include "pipelines/mark_pictures.h"
#include "pipelines/match_pictures.h"
#include "pipelines/merge.h"
#include "pipelines/pretrain.h"
#include "pipelines/rank_pictures.h"
#include "pipelines/reconstruct.h"
#include "pipelines/restyle.h"
#include "pipelines/sample.h"
#include "pipelines/sweep.h"
#include "pipelines/train.h"
#include "tests/support/fixtures.h"
#include "ui/cli/preset_readme.h"

namespace dorabooth::configs_test {
namespace {

using testing::source_dir;

std::string text_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(Configs, TrainPresetsParseAndRoundTrip) {
  int presets = 0;
  for (const auto& entry : std::filesystem::directory_iterator(source_dir() / "configs")) {
    if (entry.path().extension() != ".json") continue;
    ++presets;
    const nlohmann::json written = nlohmann::json::parse(text_of(entry.path()));
    TrainConfig config;
    train_fields().from_json(&config, written, entry.path().string());
    const nlohmann::json resolved = train_fields().to_json(&config);
    for (const auto& [key, value] : written.items()) {
      if (key.starts_with("_")) continue;
      EXPECT_EQ(resolved.at(key), value) << key;
    }
    TrainConfig again;
    train_fields().from_json(&again, resolved, "resolved");
    EXPECT_EQ(train_fields().to_json(&again), resolved) << entry.path();
  }
  EXPECT_EQ(presets, 9);
}

TEST(Configs, PresetsOfThePapersExperimentsParse) {
  int sweeps = 0;
  for (const auto& entry : std::filesystem::directory_iterator(source_dir() / "configs/paper")) {
    const std::string where = entry.path().string();
    const nlohmann::json written = nlohmann::json::parse(text_of(entry.path()));
    EXPECT_NE(written.value("_comment", ""), "") << where;
    if (!written.contains("field")) {
      TrainConfig config;
      train_fields().from_json(&config, written, where);
      continue;
    }
    ++sweeps;
    SweepRequest request;
    sweep_fields().from_json(&request, written, where);
    EXPECT_GE(sweep_points(request).size(), 2u) << where;
    const std::string name = entry.path().stem().string();
    const std::string script = text_of(source_dir() / "scripts/paper_tables.sh");
    EXPECT_NE(script.find("sweep " + name + " "), std::string::npos) << name;
  }
  EXPECT_EQ(sweeps, 10);
}

TEST(Configs, PresetsAreForAStyleAndASubjectOnEveryCardAndTheSmallBase) {
  std::vector<std::string> names;
  for (const Preset& preset : read_presets(source_dir() / "configs")) names.push_back(preset.name);
  EXPECT_EQ(names,
            (std::vector<std::string>{"quickstart", "style_sdxl_8gb", "style_sdxl_12gb",
                                      "style_sdxl_24gb", "style_small", "subject_sdxl_8gb",
                                      "subject_sdxl_12gb", "subject_sdxl_24gb", "subject_small"}));
}

TEST(Configs, EstimatesFitTheCard) {
  for (const Preset& preset : read_presets(source_dir() / "configs")) {
    const size_t digits = preset.name.find_first_of("0123456789");
    EXPECT_EQ(digits == std::string::npos, preset.memory_gb == 0) << preset.name;
    if (digits == std::string::npos) continue;
    const double card = std::stod(preset.name.substr(digits)) * (1 << 30) / 1e9;
    EXPECT_LT(preset.memory_gb, 0.85 * card) << preset.name;
  }
}

TEST(Configs, EverySettingOfAPresetHasAReasonAndNoReasonIsLeftOver) {
  const std::vector<std::string> settings = preset_settings(read_presets(source_dir() / "configs"));
  for (const std::string& setting : settings) EXPECT_NE(preset_reason(setting), "") << setting;
  for (const auto& [setting, reason] : preset_reasons()) {
    EXPECT_EQ(std::count(settings.begin(), settings.end(), setting), 1) << setting;
  }
}

TEST(Configs, APresetWithoutACommentOrWithAKeyThatIsNoneIsNamed) {
  const testing::TemporaryFolder folder;
  std::ofstream(folder.path() / "x.json") << R"({"rank": 8})";
  EXPECT_NE(testing::message_of([&] { read_presets(folder.path()); }).find("_comment"),
            std::string::npos);
  std::ofstream(folder.path() / "x.json") << R"({"_comment": "A.", "rnak": 8})";
  EXPECT_NE(testing::message_of([&] { read_presets(folder.path()); }).find("'rnak'"),
            std::string::npos);
}

TEST(Configs, ReadmeIsUpToDate) {
  EXPECT_EQ(text_of(source_dir() / "configs" / "README.md"),
            configs_readme(source_dir() / "configs"))
      << "write it by build/release/dorabooth_docs " << source_dir();
}

TEST(Configs, EveryFieldOfEveryRequestHasHelpAndAGroup) {
  const std::vector<const FieldTable*> tables = {
      &train_fields(),       &sample_fields(),  &compare_fields(), &evaluate_fields(),
      &reconstruct_fields(), &rank_fields(),    &merge_fields(),   &convert_fields(),
      &inspect_fields(),     &analyze_fields(), &extract_fields(), &resize_fields(),
      &restyle_fields(),     &mark_fields(),    &match_fields(),   &pretrain_fields(),
      &bench_fields()};
  for (const FieldTable* table : tables) {
    for (const Field& field : table->fields()) {
      EXPECT_FALSE(field.help.empty()) << field.name;
      EXPECT_FALSE(field.group.empty()) << field.name;
    }
  }
}

template <typename Request>
void expect_defaults_round_trip(const FieldList<Request>& fields) {
  const Request defaults;
  Request again;
  fields.from_json(&again, fields.to_json(&defaults), "defaults");
  EXPECT_EQ(fields.to_json(&again), fields.to_json(&defaults));
}

TEST(Configs, DefaultsAreWithinTheirOwnBoundsAndChoices) {
  expect_defaults_round_trip(train_fields());
  expect_defaults_round_trip(sample_fields());
  expect_defaults_round_trip(compare_fields());
  expect_defaults_round_trip(evaluate_fields());
  expect_defaults_round_trip(reconstruct_fields());
  expect_defaults_round_trip(rank_fields());
  expect_defaults_round_trip(merge_fields());
  expect_defaults_round_trip(convert_fields());
  expect_defaults_round_trip(inspect_fields());
  expect_defaults_round_trip(analyze_fields());
  expect_defaults_round_trip(extract_fields());
  expect_defaults_round_trip(resize_fields());
  expect_defaults_round_trip(restyle_fields());
  expect_defaults_round_trip(mark_fields());
  expect_defaults_round_trip(match_fields());
  expect_defaults_round_trip(pretrain_fields());
  expect_defaults_round_trip(bench_fields());
}

}  // namespace
}  // namespace dorabooth::configs_test
