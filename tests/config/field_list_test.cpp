// Field lists: JSON and flag texts both ways, and the messages of every check.
#include "src/config/field_list.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "src/base/error.h"
#include "tests/support/fixtures.h"

namespace dorabooth::field_list_test {
namespace {

using nlohmann::json;
using testing::message_of;

struct Shared {
  std::string path;
};

struct Settings : Shared {
  int64_t rank = 4;
  double lr = 1e-4;
  bool flip = false;
  std::optional<double> alpha;
  std::string kind = "lora";
  std::vector<std::string> targets;
  std::vector<int64_t> seed = {0};
};

FieldList<Settings> settings_fields() {
  FieldList<Settings> f;
  f.add("path", &Settings::path, "A path.");
  f.add("rank", &Settings::rank, "Rank.").at_least(1).at_most(64);
  f.add("lr", &Settings::lr, "Rate.").above(0);
  f.add("flip", &Settings::flip, "Flip.");
  f.add("alpha", &Settings::alpha, "Alpha.");
  f.add("kind", &Settings::kind, "Kind.").one_of({"lora", "dora"});
  f.add("targets", &Settings::targets, "Targets.");
  f.add("seed", &Settings::seed, "Seeds.");
  return f;
}

void set_text(Settings& settings, const std::string& name, const std::string& text) {
  const auto fields = settings_fields();
  fields.set_text(&settings, fields.at(name), text);
}

TEST(FieldList, JsonRoundTripKeepsEveryValue) {
  const auto fields = settings_fields();
  Settings settings;
  settings.path = "a/b";
  settings.alpha = 2.5;
  settings.targets = {"to_q", "to_k"};
  settings.seed = {1, 2};
  Settings copy;
  fields.from_json(&copy, fields.to_json(&settings), "x.json");
  EXPECT_EQ(fields.to_json(&copy), fields.to_json(&settings));
  settings.alpha.reset();
  fields.from_json(&copy, fields.to_json(&settings), "x.json");
  EXPECT_FALSE(copy.alpha.has_value());
}

TEST(FieldList, FlagTextsAreParsedByType) {
  Settings settings;
  set_text(settings, "rank", "16");
  set_text(settings, "lr", "1e-3");
  set_text(settings, "flip", "true");
  set_text(settings, "alpha", "8");
  set_text(settings, "targets", "to_q");
  set_text(settings, "targets", "to_out.0");
  set_text(settings, "seed", "3,4,5");
  EXPECT_EQ(settings.rank, 16);
  EXPECT_DOUBLE_EQ(settings.lr, 1e-3);
  EXPECT_TRUE(settings.flip);
  EXPECT_EQ(settings.alpha, 8.0);
  EXPECT_EQ(settings.targets, (std::vector<std::string>{"to_q", "to_out.0"}));
  EXPECT_EQ(settings.seed, (std::vector<int64_t>{3, 4, 5}));
  set_text(settings, "alpha", "none");
  EXPECT_FALSE(settings.alpha.has_value());
}

TEST(FieldList, AListOfTextsIsASingleTextInOlderFiles) {
  Settings settings;
  const auto fields = settings_fields();
  fields.from_json(&settings, json{{"targets", "to_q"}}, "run.json");
  EXPECT_EQ(settings.targets, std::vector<std::string>{"to_q"});
  fields.from_json(&settings, json{{"targets", nullptr}}, "run.json");
  EXPECT_TRUE(settings.targets.empty());
  EXPECT_EQ(message_of([&] {
              fields.from_json(&settings, json{{"targets", 3}}, "run.json");
            }),
            "run.json: targets: want a list of texts, got 3");
}

TEST(FieldList, MessagesHoldNameValueAndLimit) {
  Settings settings;
  EXPECT_EQ(message_of([&] { set_text(settings, "rank", "65"); }),
            "--rank: want a value at least 1 and at most 64, got 65");
  EXPECT_EQ(message_of([&] { set_text(settings, "lr", "0"); }),
            "--lr: want a value above 0, got 0.0");
  EXPECT_EQ(message_of([&] { set_text(settings, "rank", "4x"); }),
            "--rank: want an integer, got '4x'");
  EXPECT_EQ(message_of([&] { set_text(settings, "kind", "dorra"); }),
            "--kind: 'dorra' is not one of lora, dora (did you mean 'dora'?)");
}

TEST(FieldList, AnUnknownKeyNamesTheFileAndTheNearestKey) {
  Settings settings;
  const auto fields = settings_fields();
  EXPECT_EQ(message_of([&] {
              fields.from_json(&settings, json{{"rnak", 3}}, "run.json");
            }),
            "run.json: unknown key 'rnak' (did you mean 'rank'?)");
  EXPECT_EQ(message_of([&] {
              fields.from_json(&settings, json{{"rank", "3"}}, "run.json");
            }),
            "run.json: rank: want an integer, got \"3\"");
  EXPECT_NO_THROW(fields.from_json(&settings, json{{"_environment", 1}}, "run.json"));
}

TEST(FieldList, ComponentConfigsRefuseWhatIsNotComputed) {
  Settings settings;
  const auto fields = settings_fields();
  const json neutral = {{"act_fn", "silu"}, {"comment", "*"}};
  EXPECT_NO_THROW(parse_component_config(fields, &settings,
                                         json{{"rank", 8},
                                              {"_class_name", "X"},
                                              {"unused", nullptr},
                                              {"act_fn", "silu"},
                                              {"comment", 3}},
                                         neutral, "unet/config.json"));
  EXPECT_EQ(settings.rank, 8);
  EXPECT_EQ(
      message_of([&] {
        parse_component_config(fields, &settings, json{{"act_fn", "relu"}}, neutral, "c.json");
      }),
      "c.json: 'act_fn' = \"relu\" is not supported (only \"silu\" is)");
  EXPECT_EQ(message_of([&] {
              parse_component_config(fields, &settings, json{{"new_thing", 1}}, neutral, "c.json");
            }),
            "c.json: 'new_thing' = 1 is not known to this program");
}

}  // namespace
}  // namespace dorabooth::field_list_test
