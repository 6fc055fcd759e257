// A file system that is too small, or that fills in the middle of a training: a sentence, and every
// checkpoint that was whole stays whole. The disk is a tmpfs in mount namespaces of the test.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/types.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <iostream>

#include "tests/cli/program.h"

namespace dorabooth::testing::full_disk_e2e_test {
namespace {

namespace fs = std::filesystem;

constexpr int kNoNamespaces = 77;

void write_map(const char* path, const std::string& text) { std::ofstream(path) << text; }

bool enter_namespaces() {
  const uid_t user = getuid();
  const gid_t group = getgid();
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) {
    write_map("/proc/self/setgroups", "deny");
    write_map("/proc/self/uid_map", "0 " + std::to_string(user) + " 1");
    write_map("/proc/self/gid_map", "0 " + std::to_string(group) + " 1");
    return true;
  }
  return unshare(CLONE_NEWNS) == 0;
}

// Runs `body` in a child process that sees a disk of `bytes` mounted at the folder it is given.
void with_small_disk(uint64_t bytes, const std::function<void(const fs::path&)>& body) {
  const TemporaryFolder folder;
  const pid_t child = fork();
  ASSERT_GE(child, 0) << std::strerror(errno);
  if (child == 0) {
    const std::string options = "size=" + std::to_string(bytes);
    const bool mounted = enter_namespaces() &&
                         mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                         mount("disk", folder.path().c_str(), "tmpfs", 0, options.c_str()) == 0;
    if (!mounted) {
      std::cerr << "no small disk: " << std::strerror(errno) << '\n';
      _exit(kNoNamespaces);
    }
    body(folder.path());
    std::cout.flush();
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int state = 0;
  waitpid(child, &state, 0);
  ASSERT_TRUE(WIFEXITED(state));
  if (WEXITSTATUS(state) == kNoNamespaces) GTEST_SKIP() << "this user may not mount a file system";
  EXPECT_EQ(WEXITSTATUS(state), 0) << "the failures above are the child's";
}

std::vector<std::string> training(const fs::path& out, const std::string& steps) {
  return {"train",
          "--config",
          "configs/style_small.json",
          "--max_train_samples",
          "4",
          "--lr_scheduler",
          "constant",
          "--checkpointing_steps",
          "1",
          "--checkpoints_total_limit",
          "2",
          "--max_train_steps",
          steps,
          "--output_dir",
          out.string()};
}

// Takes what is left of the disk.
void fill(const fs::path& path) {
  std::ofstream file(path, std::ios::binary);
  const std::string block(4096, 'x');
  while (file) file << block << std::flush;
}

std::vector<fs::path> checkpoints(const fs::path& out) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(out)) {
    if (entry.path().filename().string().rfind("checkpoint-", 0) == 0) found.push_back(entry);
  }
  return found;
}

TEST(FullDisk, TrainingIsRefusedBeforeItsFirstStep) {
  with_small_disk(2u << 20, [](const fs::path& disk) {
    const Outcome outcome = run(training(disk / "out", "3"));
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.errors.find("checkpoints of this run needs"), std::string::npos)
        << outcome.errors;
    EXPECT_NE(outcome.errors.find("are free there"), std::string::npos) << outcome.errors;
    EXPECT_FALSE(fs::exists(disk / "out" / "metrics.jsonl"));
  });
}

TEST(FullDisk, MergeIsRefusedBeforeItWrites) {
  const TemporaryFolder trained;
  const Outcome training_outcome = run(training(trained.path(), "1"));
  ASSERT_EQ(training_outcome.status, 0) << training_outcome.errors;
  with_small_disk(2u << 20, [&](const fs::path& disk) {
    const Outcome outcome =
        run({"merge", "--pretrained_model_name_or_path", "assets/base", "--adapter_path",
             (trained.path() / "lora").string(), "--output_dir", (disk / "merged").string()});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.errors.find("the merged model needs"), std::string::npos) << outcome.errors;
    EXPECT_NE(outcome.errors.find("are free there"), std::string::npos) << outcome.errors;
    EXPECT_FALSE(fs::exists(disk / "merged"));
  });
}

TEST(FullDisk, ADiskThatFillsDuringTrainingLosesNoCheckpoint) {
  with_small_disk(64u << 20, [](const fs::path& disk) {
    const fs::path out = disk / "out";
    Program program(training(out, "5000"));
    ASSERT_TRUE(wait_until([&] { return fs::exists(out / "checkpoint-2"); }, program,
                           std::chrono::seconds(120)))
        << program.wait().errors;
    fill(disk / "somebody_elses");
    const Outcome outcome = program.wait();
    EXPECT_EQ(outcome.status, 1);
    // The room for each file is asked before it is written.
    EXPECT_NE(outcome.errors.find("0 bytes are free there"), std::string::npos) << outcome.errors;

    const std::vector<fs::path> left = checkpoints(out);
    EXPECT_GE(left.size(), 2u);
    int64_t last = 0;
    for (const fs::path& path : left) {
      EXPECT_EQ(path.extension(), "") << path << " is not whole";
      last = std::max<int64_t>(last, std::stoll(path.filename().string().substr(11)));
    }
    EXPECT_NE(outcome.errors.find("checkpoint-" + std::to_string(last) + " is kept"),
              std::string::npos)
        << outcome.errors;
    fs::remove(disk / "somebody_elses");
    std::vector<std::string> words = training(out, std::to_string(last + 2));
    words.insert(words.end(), {"--resume_from_checkpoint", "latest"});
    const Outcome resumed = run(words);
    EXPECT_EQ(resumed.status, 0) << resumed.errors;
  });
}

}  // namespace
}  // namespace dorabooth::testing::full_disk_e2e_test
