// What the program says to wrong flags, files and folders: one sentence, and the exit status.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/cli/program.h"

namespace dorabooth::testing::wrong_input_e2e_test {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kTrain = {"train", "--config", "configs/style_small.json"};

Outcome train_with(std::vector<std::string> more) {
  std::vector<std::string> words = kTrain;
  words.insert(words.end(), more.begin(), more.end());
  return run(words);
}

// Progress and notes come before; the last line is the sentence.
std::string last_line(const std::string& text) {
  const std::string trimmed = text.substr(0, text.find_last_not_of('\n') + 1);
  return trimmed.substr(trimmed.rfind('\n') + 1);
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Program, SaysItsVersionAndCommands) {
  const Outcome version = run({"--version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_EQ(version.out.rfind("dorabooth ", 0), 0u);
  const Outcome help = run({"--help"});
  EXPECT_EQ(help.status, 0);
  for (const char* command : {"train", "sample", "compare", "evaluate", "reconstruct", "rank",
                              "merge", "convert", "extract", "resize", "inspect", "analyze",
                              "restyle", "mark", "match", "pretrain", "bench"}) {
    EXPECT_TRUE(contains(help.out, command)) << command;
    EXPECT_EQ(run({command, "--help"}).status, 0) << command;
  }
}

TEST(Program, RefusesAnUnknownCommandAndNamesTheNearest) {
  const Outcome outcome = run({"trian"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_TRUE(contains(outcome.errors, "'train'")) << outcome.errors;
  EXPECT_EQ(run({}).status, 2);
}

TEST(Program, RefusesAWrongFlagAndNamesTheNearest) {
  const Outcome outcome = run({"train", "--learning_rtae", "1"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_TRUE(contains(outcome.errors, "--learning_rtae")) << outcome.errors;
  EXPECT_TRUE(contains(outcome.errors, "'--learning_rate'")) << outcome.errors;
  EXPECT_EQ(std::count(outcome.errors.begin(), outcome.errors.end(), '\n'), 1);
}

TEST(Program, RefusesAWrongConfigKeyWithThePath) {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "run.json").string();
  std::ofstream(path) << R"({"lerning_rate": 1})";
  const Outcome outcome = run({"train", "--config", path});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_TRUE(contains(outcome.errors, path)) << outcome.errors;
  EXPECT_TRUE(contains(outcome.errors, "'learning_rate'")) << outcome.errors;
}

TEST(Program, PrintConfigRoundTrips) {
  const TemporaryFolder folder;
  const Outcome first = train_with({"--rank", "3", "--print_config"});
  ASSERT_EQ(first.status, 0) << first.errors;
  const std::string path = (folder.path() / "run.json").string();
  std::ofstream(path) << first.out;
  const Outcome second = run({"train", "--config", path, "--print_config"});
  EXPECT_EQ(second.out, first.out);
  EXPECT_EQ(nlohmann::json::parse(first.out).at("rank"), 3);
}

TEST(Program, NamesABaseThatIsNotThere) {
  const TemporaryFolder folder;
  const Outcome outcome = train_with({"--pretrained_model_name_or_path", "no/such/base",
                                      "--output_dir", (folder.path() / "out").string()});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_TRUE(contains(last_line(outcome.errors), "no/such/base")) << outcome.errors;
}

TEST(Program, NamesAnEmptyPictureFolder) {
  const TemporaryFolder folder;
  const std::string pictures = (folder.path() / "pictures").string();
  fs::create_directory(pictures);
  const Outcome outcome = train_with(
      {"--instance_data_dir", pictures, "--output_dir", (folder.path() / "out").string()});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_TRUE(contains(last_line(outcome.errors), pictures)) << outcome.errors;
}

TEST(Program, NamesABrokenPictureBeforeTrainingStarts) {
  const TemporaryFolder folder;
  const fs::path pictures = folder.path() / "pictures";
  fs::copy(source_dir() / "assets" / "pictures" / "train", pictures);
  fs::remove(pictures / "metadata.jsonl");
  std::ofstream(pictures / "broken.png") << "not a picture";
  const Outcome outcome =
      train_with({"--instance_data_dir", pictures.string(), "--instance_prompt", "a sks icon",
                  "--output_dir", (folder.path() / "out").string()});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_TRUE(contains(last_line(outcome.errors), "broken.png")) << outcome.errors;
  EXPECT_FALSE(fs::exists(folder.path() / "out" / "metrics.jsonl"));
}

TEST(Program, NamesAnAdapterThatIsNotOne) {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "odd.safetensors").string();
  std::ofstream(file) << "far too short";
  const Outcome outcome = run({"inspect", file});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_TRUE(contains(outcome.errors, file)) << outcome.errors;
}

TEST(Program, RefusesADeviceThatIsNotThere) {
  const Outcome odd = train_with({"--device", "tpu"});
  EXPECT_EQ(odd.status, 2);
  EXPECT_TRUE(contains(odd.errors, "tpu")) << odd.errors;
}

TEST(Program, SaysInOneSentenceThatCudaHasNoDriver) {
  if (dlopen("libcuda.so.1", RTLD_NOW) != nullptr) GTEST_SKIP() << "there is an NVIDIA driver";
  const TemporaryFolder folder;
  const std::string out = (folder.path() / "out").string();
  const std::string base = source_dir() / "assets" / "base";
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"train", "--config", "configs/style_small.json", "--output_dir", out},
           {"sample", "--pretrained_model_name_or_path", base, "--prompt", "a", "--output_dir",
            out},
           {"bench", "step", "--rounds", "1"}}) {
    std::vector<std::string> asking = words;
    asking.insert(asking.end(), {"--device", "cuda"});
    const Outcome outcome = run(asking);
    EXPECT_EQ(outcome.status, 1) << words[0];
    EXPECT_TRUE(contains(last_line(outcome.errors),
                         "--device cuda: CUDA cannot be used: there is "
                         "no NVIDIA driver (libcuda.so.1)"))
        << outcome.errors;
    EXPECT_TRUE(outcome.out.empty()) << outcome.out;
  }
}

TEST(Program, AcceptsTheScriptsFlagsWithANoteOrRefusesThem) {
  const Outcome refused = train_with({"--output_kohya_format"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_TRUE(contains(refused.errors, "--output_kohya_format")) << refused.errors;
  EXPECT_EQ(train_with({"--dataloader_num_workers", "4", "--print_config"}).status, 0);
}

}  // namespace
}  // namespace dorabooth::testing::wrong_input_e2e_test
