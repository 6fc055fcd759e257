// The scripts' parsers (tests/golden/diffusers_flags.json, made by scripts/peers/list_flags.py)
// against the field list of `train`, the table of foreign flags and the README.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "pipelines/train.h"
#include "src/base/error.h"
#include "tests/support/fixtures.h"
#include "ui/cli/arguments.h"
#include "ui/cli/foreign_flags.h"

namespace dorabooth::script_flags_test {
namespace {

using nlohmann::json;
using testing::message_of;
using testing::source_dir;
using testing::TemporaryFolder;

const CommandText kTrain = {"train", "Train.", "", true};

const json& scripts() {
  static const json value =
      json::parse(std::ifstream(source_dir() / "tests/golden/diffusers_flags.json")).at("scripts");
  return value;
}

const ForeignFlag* foreign(const std::string& name) {
  for (const ForeignFlag& flag : train_foreign_flags()) {
    if (name == flag.name) return &flag;
  }
  return nullptr;
}

bool has_row(const std::string& name) {
  const auto& rows = train_flag_differences();
  return std::any_of(rows.begin(), rows.end(), [&](const FlagDifference& row) {
    return std::find(row.names.begin(), row.names.end(), name) != row.names.end();
  });
}

bool takes(FieldType type, const std::string& theirs) {
  if (theirs == "switch" || theirs == "bool") return type == FieldType::kBool;
  if (theirs == "int") return type == FieldType::kInteger;
  if (theirs == "float") return type == FieldType::kNumber;
  return type == FieldType::kText || type == FieldType::kTextList;
}

bool is_nothing(const json& value) {
  return value.is_null() || value == "" || (value.is_array() && value.empty());
}

bool same_default(const Field& field, const json& theirs, const json& ours) {
  if (is_nothing(theirs)) return is_nothing(ours);
  const std::string text = theirs.is_string() ? theirs.get<std::string>() : theirs.dump();
  if (is_nothing(ours)) return field.help.find("absent: " + text + ".") != std::string::npos;
  if (!theirs.is_string()) return theirs == ours;
  std::string note;
  return value_from_scripts(field.name, text, note) == ours;
}

// A value that is not the default and that both sides take.
std::string usable_value(const json& flag) {
  const std::string name = flag.at("name");
  const std::string type = flag.at("type");
  if (const ForeignFlag* theirs = foreign(name)) {
    const bool refused = theirs->verdict == ForeignFlag::Verdict::kRefused;
    if (refused) return std::string(theirs->neutral.at(0));
  }
  if (flag.contains("choices")) return flag.at("choices").at(1);
  if (type == "int") {
    const Field* field = train_fields().find(name);
    return field != nullptr && field->maximum.value_or(64) < 64 ? "3" : "64";
  }
  if (type == "float") return "0.5";
  if (type == "bool") return "False";
  if (name == "optimizer") return "prodigy";
  if (name == "lr_scheduler") return "polynomial";
  if (name == "report_to") return "wandb";
  return "some/" + name;
}

// Every flag of the script at such a value, but switches that are refused.
std::vector<std::string> whole_command_line(const json& flags) {
  std::vector<std::string> words;
  for (const json& flag : flags) {
    const std::string name = flag.at("name");
    const ForeignFlag* theirs = foreign(name);
    if (flag.at("type") != "switch") {
      words.push_back("--" + name + "=" + usable_value(flag));
    } else if (theirs == nullptr || theirs->verdict == ForeignFlag::Verdict::kNote) {
      words.push_back("--" + name);
    }
  }
  return words;
}

struct Read {
  json config;
  std::vector<std::string> notes;
};

Read read(const std::vector<std::string>& words) {
  TrainConfig config;
  std::ostringstream out;
  const ReadArguments result =
      read_arguments(kTrain, train_fields(), &config, words, out, train_foreign_flags());
  return {train_fields().to_json(&config), result.notes};
}

TEST(ScriptFlags, TheListIsTwoWholeParsers) {
  EXPECT_EQ(scripts().at("train_dreambooth_lora_sdxl").size(), 72u);
  EXPECT_EQ(scripts().at("train_dreambooth_lora_sdxl_advanced").size(), 81u);
}

TEST(ScriptFlags, EachIsAFieldOrAForeignFlag) {
  for (const auto& [script, flags] : scripts().items()) {
    for (const json& flag : flags) {
      const std::string name = flag.at("name");
      const Field* field = train_fields().find(name);
      EXPECT_NE(field != nullptr, foreign(name) != nullptr)
          << script << ": --" << name << " is neither or both";
      if (field == nullptr) continue;
      EXPECT_TRUE(takes(field->type, flag.at("type"))) << name;
    }
  }
}

TEST(ScriptFlags, ForeignOnesTakeAValueWhereTheScriptsDo) {
  for (const auto& [script, flags] : scripts().items()) {
    for (const json& flag : flags) {
      const ForeignFlag* theirs = foreign(flag.at("name"));
      if (theirs != nullptr) {
        EXPECT_EQ(theirs->takes_value, flag.at("type") != "switch") << theirs->name;
      }
    }
  }
}

TEST(ScriptFlags, AnotherDefaultHasARow) {
  const TrainConfig defaults;
  for (const auto& [script, flags] : scripts().items()) {
    for (const json& flag : flags) {
      const std::string name = flag.at("name");
      const Field* field = train_fields().find(name);
      if (field == nullptr) continue;
      const json ours = train_fields().get(&defaults, *field);
      EXPECT_TRUE(same_default(*field, flag.at("default"), ours) || has_row(name))
          << script << ": --" << name << " is " << flag.at("default") << " there, " << ours
          << " here, and the table does not say so";
    }
  }
}

TEST(ScriptFlags, AChoiceThatIsMissingHasARow) {
  for (const auto& [script, flags] : scripts().items()) {
    for (const json& flag : flags) {
      const Field* field = train_fields().find(flag.at("name"));
      if (field == nullptr || field->choices.empty() || !flag.contains("choices")) continue;
      for (const std::string choice : flag.at("choices")) {
        const bool known = std::count(field->choices.begin(), field->choices.end(), choice) > 0;
        EXPECT_TRUE(known || has_row(field->name)) << "--" << field->name << " " << choice;
      }
    }
  }
}

// A row for a flag that the scripts no longer have, or that is no longer a field, would mislead.
TEST(ScriptFlags, EveryRowIsAboutAFlagOfTheirs) {
  std::set<std::string> names;
  for (const json& flags : scripts()) {
    for (const json& flag : flags) names.insert(flag.at("name"));
  }
  for (const ForeignFlag& flag : train_foreign_flags()) EXPECT_TRUE(names.contains(flag.name));
  for (const FlagDifference& row : train_flag_differences()) {
    for (const std::string& name : row.names) {
      EXPECT_TRUE(names.contains(name)) << name;
      EXPECT_NE(train_fields().find(name), nullptr) << name;
    }
  }
}

TEST(ScriptFlags, TheReadmeHasTheTable) {
  std::ostringstream text;
  text << std::ifstream(source_dir() / "README.md").rdbuf();
  EXPECT_NE(text.str().find(script_differences_markdown()), std::string::npos)
      << "write it by build/release/dorabooth_docs " << source_dir();
}

TEST(ScriptFlags, ACommandLineWithEveryFlagIsReadAsTheyReadIt) {
  for (const auto& [script, flags] : scripts().items()) {
    const Read result = read(whole_command_line(flags));
    size_t notes = 0;
    for (const json& flag : flags) {
      const std::string name = flag.at("name");
      const ForeignFlag* theirs = foreign(name);
      if (theirs != nullptr) notes += theirs->verdict == ForeignFlag::Verdict::kNote;
      if (theirs != nullptr || name == "report_to") continue;
      const json& value = result.config.at(name);
      if (flag.at("type") == "switch") {
        EXPECT_EQ(value, true) << name;
      } else if (value.is_array()) {
        EXPECT_EQ(value, json::array({usable_value(flag)})) << name;
      } else {
        const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
        const std::string given = usable_value(flag);
        EXPECT_EQ(text, given == "False" ? "false" : given) << name;
      }
    }
    EXPECT_EQ(result.notes.size(), notes + 1) << script << ": one of them on --report_to wandb";
  }
}

TEST(ScriptFlags, WhatIsRefusedIsNamedAndAlone) {
  for (const ForeignFlag& flag : train_foreign_flags()) {
    if (flag.verdict == ForeignFlag::Verdict::kNote) continue;
    const std::string name = concat("--", flag.name);
    const std::vector<std::string> words =
        flag.takes_value ? std::vector<std::string>{name, "0.25"} : std::vector<std::string>{name};
    EXPECT_THROW(read(words), UsageError) << name;
    EXPECT_NE(message_of([&] { read(words); }).find(name), std::string::npos);
  }
}

TEST(ScriptFlags, ADatasetThatIsAFolderIsTheInstanceFolder) {
  const TemporaryFolder folder;
  const std::string path = folder.path().string();
  EXPECT_EQ(read({"--dataset_name", path}).config, read({"--instance_data_dir", path}).config);
  EXPECT_THROW(read({"--dataset_name", path, "--instance_data_dir", "x"}), UsageError);
  EXPECT_THROW(read({"--dataset_name", path + "/absent"}), UsageError);
}

TEST(ScriptFlags, TruthIsReadInTheScriptsSpelling) {
  EXPECT_EQ(read({"--prodigy_decouple", "False"}).config.at("prodigy_decouple"), false);
  EXPECT_EQ(read({"--use_dora", "True", "--rank", "2"}).config.at("use_dora"), true);
  EXPECT_EQ(read({"--use_dora=TRUE"}).config.at("use_dora"), true);
  EXPECT_THROW(read({"--use_dora=maybe"}), UsageError);
}

}  // namespace
}  // namespace dorabooth::script_flags_test
