// Flags, config files and their precedence, on the real requests' field lists.
#include "ui/cli/arguments.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "pipelines/inspect.h"
#include "pipelines/sample.h"
#include "pipelines/train.h"
#include "src/base/error.h"
#include "tests/support/fixtures.h"

namespace dorabooth::arguments_test {
namespace {

using testing::message_of;
using testing::TemporaryFolder;

const CommandText kTrain = {"train", "Train.", "", true};
const CommandText kInspect = {"inspect", "Inspect.", "path", true};

TrainConfig train_of(const std::vector<std::string>& arguments) {
  TrainConfig config;
  std::ostringstream out;
  read_arguments(kTrain, train_fields(), &config, arguments, out, train_foreign_flags());
  return config;
}

std::vector<std::string> notes_of(const std::vector<std::string>& arguments) {
  TrainConfig config;
  std::ostringstream out;
  return read_arguments(kTrain, train_fields(), &config, arguments, out, train_foreign_flags())
      .notes;
}

std::string written(const TemporaryFolder& folder, const std::string& text) {
  const std::string path = (folder.path() / "config.json").string();
  std::ofstream(path) << text;
  return path;
}

TEST(Arguments, ReadEveryKindOfField) {
  const TrainConfig config =
      train_of({"--rank", "16", "--learning_rate=2e-3", "--use_dora", "--center_crop", "false",
                "--instance_prompt", "a photo of sks dog", "--adapter", "lora:rank=8", "--adapter",
                "dora", "--snr_gamma", "5"});
  EXPECT_EQ(config.rank, 16);
  EXPECT_EQ(config.learning_rate, 2e-3);
  EXPECT_TRUE(config.use_dora);
  EXPECT_FALSE(config.center_crop);
  EXPECT_EQ(config.instance_prompt, "a photo of sks dog");
  EXPECT_EQ(config.adapter, (std::vector<std::string>{"lora:rank=8", "dora"}));
  EXPECT_EQ(config.snr_gamma, 5.0);
}

// What `sample --from` needs: a flag that repeats its default was still given.
TEST(Arguments, NameTheFieldsThatWereGiven) {
  const TemporaryFolder folder;
  const std::string config = written(folder, R"({"eta": 0.0, "_environment": 1})");
  SampleRequest request;
  std::ostringstream out;
  const CommandText text = {"sample", "Sample.", "", true};
  const ReadArguments read = read_arguments(text, sample_fields(), &request,
                                            {"--config", config, "--guidance_scale", "5"}, out);
  EXPECT_EQ(read.given, (std::vector<std::string>{"eta", "guidance_scale"}));
}

TEST(Arguments, BareBooleanTakesNoValueFromTheNextWord) {
  const TrainConfig config = train_of({"--use_dora", "--rank", "2"});
  EXPECT_TRUE(config.use_dora);
  EXPECT_EQ(config.rank, 2);
}

TEST(Arguments, EmptyAndAbsentTextsDiffer) {
  SampleRequest request;
  std::ostringstream out;
  read_arguments({"sample", "", "", true}, sample_fields(), &request, {"--negative_prompt", ""},
                 out);
  ASSERT_TRUE(request.negative_prompt.has_value());
  EXPECT_EQ(*request.negative_prompt, "");
}

TEST(Arguments, TextsMayBeginWithDashesOrHoldBracketsAndCommas) {
  SampleRequest request;
  std::ostringstream out;
  read_arguments({"sample", "", "", true}, sample_fields(), &request,
                 {"--prompt=--odd", "--prompt", "[a, b]", "--prompt", "", "--prompt", "\"q\""},
                 out);
  EXPECT_EQ(request.prompt, (std::vector<std::string>{"--odd", "[a, b]", "", "\"q\""}));
}

TEST(Arguments, IntegerListsTakeCommasAndRepetition) {
  SampleRequest request;
  std::ostringstream out;
  read_arguments({"sample", "", "", true}, sample_fields(), &request,
                 {"--seed", "1,2", "--seed", "-3"}, out);
  EXPECT_EQ(request.seed, (std::vector<int64_t>{1, 2, -3}));
}

TEST(Arguments, FlagsWinOverConfigFileWinsOverDefault) {
  const TemporaryFolder folder;
  const std::string path = written(
      folder, R"({"rank": 16, "learning_rate": 0.5, "adapter": ["lora"], "use_dora": true})");
  const TrainConfig config =
      train_of({"--rank", "32", "--config", path, "--adapter", "dora", "--use_dora", "false"});
  EXPECT_EQ(config.rank, 32);
  EXPECT_EQ(config.learning_rate, 0.5);
  EXPECT_EQ(config.adapter, (std::vector<std::string>{"dora"}));
  EXPECT_FALSE(config.use_dora);
  EXPECT_EQ(config.train_batch_size, TrainConfig().train_batch_size);
}

TEST(Arguments, PrintConfigRoundTrips) {
  const TemporaryFolder folder;
  TrainConfig config;
  std::ostringstream out;
  const ReadArguments read = read_arguments(
      kTrain, train_fields(), &config,
      {"--print_config", "--rank", "7", "--adapter", "both", "--learning_rate", "0.1"}, out);
  EXPECT_TRUE(read.done);
  const TrainConfig again = train_of({"--config", written(folder, out.str())});
  EXPECT_EQ(train_fields().to_json(&again), train_fields().to_json(&config));
}

TEST(Arguments, NotesOfARunInItsConfigAreNoSettings) {
  const TemporaryFolder folder;
  const std::string path = written(folder, R"({"_environment": {"threads": 2}, "rank": 5})");
  EXPECT_EQ(train_of({"--config", path}).rank, 5);
}

TEST(Arguments, UnknownFlagNamesTheNearest) {
  EXPECT_THROW(train_of({"--rnak", "8"}), UsageError);
  EXPECT_NE(message_of([] { train_of({"--rnak", "8"}); }).find("'--rank'"), std::string::npos);
  EXPECT_NE(message_of([] { train_of({"--learning-rate=1"}); }).find("'--learning_rate'"),
            std::string::npos);
}

TEST(Arguments, UnknownConfigKeyNamesFileAndNearest) {
  const TemporaryFolder folder;
  const std::string path = written(folder, R"({"rnak": 16})");
  const std::string message = message_of([&] { train_of({"--config", path}); });
  EXPECT_NE(message.find(path), std::string::npos);
  EXPECT_NE(message.find("rnak"), std::string::npos);
}

TEST(Arguments, BrokenAndMissingConfigFilesAreUsageErrors) {
  const TemporaryFolder folder;
  EXPECT_THROW(train_of({"--config", written(folder, "{\"rank\": ")}), UsageError);
  EXPECT_THROW(train_of({"--config", (folder.path() / "absent.json").string()}), UsageError);
}

TEST(Arguments, StrayWordsAndMissingValuesAreUsageErrors) {
  EXPECT_THROW(train_of({"pictures"}), UsageError);
  EXPECT_THROW(train_of({"--rank"}), UsageError);
  EXPECT_THROW(train_of({"--rank", "many"}), UsageError);
  EXPECT_THROW(train_of({"--rank", "0"}), UsageError);
}

TEST(Arguments, PositionalFieldNeedsNoFlag) {
  InspectRequest request;
  std::ostringstream out;
  read_arguments(kInspect, inspect_fields(), &request, {"model.safetensors", "--json"}, out);
  EXPECT_EQ(request.path, "model.safetensors");
  read_arguments(kInspect, inspect_fields(), &request, {"--path", "other"}, out);
  EXPECT_EQ(request.path, "other");
}

TEST(Arguments, HelpListsEveryFieldWithItsDefault) {
  TrainConfig config;
  std::ostringstream out;
  EXPECT_TRUE(read_arguments(kTrain, train_fields(), &config, {"--help"}, out).done);
  for (const std::string& name : train_fields().names())
    EXPECT_NE(out.str().find("--" + name + " "), std::string::npos) << name;
  EXPECT_NE(out.str().find("default 500"), std::string::npos);
}

TEST(ForeignFlags, HarmlessOnesAreAcceptedWithANote) {
  const auto notes =
      notes_of({"--enable_xformers_memory_efficient_attention", "--dataloader_num_workers", "4",
                "--report_to", "wandb", "--allow_tf32", "--rank", "8"});
  ASSERT_EQ(notes.size(), 4u);
  const auto of_workers = [](const std::string& note) {
    return note.find("--dataloader_num_workers 4") != std::string::npos;
  };
  EXPECT_EQ(std::count_if(notes.begin(), notes.end(), of_workers), 1);
  EXPECT_FALSE(train_of({"--report_to", "wandb"}).report_to.has_value());
}

TEST(ForeignFlags, OnesThatChangeTheResultAreRefused) {
  EXPECT_THROW(train_of({"--output_kohya_format"}), UsageError);
  EXPECT_THROW(train_of({"--image_column", "picture"}), UsageError);
  EXPECT_TRUE(notes_of({"--image_column", "image"}).empty());
  EXPECT_EQ(train_of({"--optimizer", "AdamW"}).optimizer, "adamw");
}

TEST(ForeignFlags, NoneIsAlsoOneOfOurs) {
  for (const ForeignFlag& flag : train_foreign_flags())
    EXPECT_EQ(train_fields().find(flag.name), nullptr) << flag.name;
}

}  // namespace
}  // namespace dorabooth::arguments_test
