// The presets under configs/ and the generated page beside them.
#include "ui/cli/configs_readme.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "pipelines/bench.h"
#include "pipelines/compare.h"
#include "pipelines/evaluate.h"
#include "pipelines/inspect.h"
#include "pipelines/merge.h"
#include "pipelines/sample.h"
#include "pipelines/train.h"
#include "tests/support/fixtures.h"

namespace dorabooth {
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
    for (const auto& [key, value] : written.items()) EXPECT_EQ(resolved.at(key), value) << key;
    TrainConfig again;
    train_fields().from_json(&again, resolved, "resolved");
    EXPECT_EQ(train_fields().to_json(&again), resolved) << entry.path();
  }
  EXPECT_GE(presets, 1);
}

TEST(Configs, ReadmeIsUpToDate) {
  EXPECT_EQ(text_of(source_dir() / "configs" / "README.md"), configs_readme())
      << "write it by build/release/dorabooth_docs " << source_dir();
}

TEST(Configs, EveryFieldOfEveryRequestHasHelpAndAGroup) {
  const std::vector<const FieldTable*> tables = {
      &train_fields(), &sample_fields(),  &compare_fields(), &evaluate_fields(),
      &merge_fields(), &inspect_fields(), &bench_fields()};
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
  expect_defaults_round_trip(merge_fields());
  expect_defaults_round_trip(inspect_fields());
  expect_defaults_round_trip(bench_fields());
}

}  // namespace
}  // namespace dorabooth
