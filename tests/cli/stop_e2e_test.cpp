// A training that is told to stop keeps what it has, and goes on from there.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/cli/program.h"

namespace dorabooth::testing::stop_e2e_test {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> training(const fs::path& out, const std::vector<std::string>& more) {
  std::vector<std::string> words = {"train",
                                    "--config",
                                    "configs/style_small.json",
                                    "--lr_scheduler",
                                    "constant",
                                    "--max_train_steps",
                                    "5000",
                                    "--max_train_samples",
                                    "4",
                                    "--output_dir",
                                    out.string()};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

int64_t lines_of(const fs::path& path) {
  const std::string text = file_text(path);
  return std::count(text.begin(), text.end(), '\n');
}

std::vector<fs::path> checkpoints(const fs::path& out) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(out)) {
    if (entry.path().filename().string().rfind("checkpoint-", 0) == 0) found.push_back(entry);
  }
  return found;
}

TEST(Stop, SigtermSavesACheckpointFromWhichTrainingGoesOn) {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "out";
  Program program(training(out, {}));
  ASSERT_TRUE(wait_until([&] { return lines_of(out / "metrics.jsonl") >= 3; }, program,
                         std::chrono::seconds(120)))
      << "no step within two minutes";
  program.send(SIGTERM);
  const Outcome stopped = program.wait();
  EXPECT_EQ(stopped.status, 1);
  EXPECT_NE(stopped.errors.find("stopping"), std::string::npos) << stopped.errors;
  EXPECT_NE(stopped.out.find("--resume_from_checkpoint"), std::string::npos) << stopped.out;
  ASSERT_EQ(checkpoints(out).size(), 1u);
  const int64_t done = std::stoll(checkpoints(out).front().filename().string().substr(11));
  EXPECT_EQ(lines_of(out / "metrics.jsonl"), done);

  const Outcome resumed = run(training(
      out, {"--resume_from_checkpoint", "latest", "--max_train_steps", std::to_string(done + 2)}));
  EXPECT_EQ(resumed.status, 0) << resumed.errors;
  EXPECT_EQ(lines_of(out / "metrics.jsonl"), done + 2);
}

TEST(Stop, KillingLeavesTheLastCheckpointWhole) {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "out";
  Program program(training(out, {"--checkpointing_steps", "1"}));
  ASSERT_TRUE(wait_until([&] { return lines_of(out / "metrics.jsonl") >= 4; }, program,
                         std::chrono::seconds(120)));
  program.send(SIGKILL);
  EXPECT_EQ(program.wait().status, -SIGKILL);
  ASSERT_FALSE(checkpoints(out).empty());
  int64_t last = 0;
  for (const fs::path& path : checkpoints(out))
    last = std::max<int64_t>(last, std::stoll(path.filename().string().substr(11)));
  const Outcome resumed = run(training(
      out, {"--resume_from_checkpoint", "latest", "--max_train_steps", std::to_string(last + 1)}));
  EXPECT_EQ(resumed.status, 0) << resumed.errors;
}

}  // namespace
}  // namespace dorabooth::testing::stop_e2e_test
