// The system's file dialogs with programs in their place that answer at once, and what happens
// where there are none. Which programs there are is looked up once a process: each case is one.
#include "ui/desktop/widgets/native_file_dialog.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "src/base/atomic_file.h"
#include "tests/cli/program.h"

namespace dorabooth::testing::native_file_dialog_ui_test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCase = "DORABOOTH_DIALOG_CASE";

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// Writes what it was called with beside itself, then answers.
void write_program(const fs::path& path, const std::string& answer, int status) {
  write_file_atomically(
      path, "#!/bin/sh\nprintf '%s\\n' \"$@\" > \"$0.arguments\"\nprintf '%s\\n' '" + answer +
                "'\nexit " + std::to_string(status) + "\n");
  fs::permissions(path, fs::perms::owner_all);
}

// What the dialogs answer within some seconds.
std::optional<FileAnswer> ask(FileDialogs& dialogs, FileQuestionKind kind) {
  FileQuestion question;
  question.kind = kind;
  question.field = "instance_data_dir";
  question.title = "A question";
  question.start = "/tmp";
  dialogs.open(question);
  for (int i = 0; i < 500; ++i) {
    if (const auto answer = dialogs.poll()) return answer;
    if (!dialogs.waiting()) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ADD_FAILURE() << "no end of the dialog";
  return std::nullopt;
}

// This test again in a process of its own, which sees only the programs in `folder`.
void expect_in_new_process(const std::string& name, const fs::path& folder) {
  const std::string path = environment("PATH");
  // The shell, and what the programs and the look-up need.
  for (const char* tool : {"sh", "which", "printf", "ps", "readlink", "sed"}) {
    for (const char* bin : {"/usr/bin", "/bin"}) {
      const fs::path from = fs::path(bin) / tool;
      if (fs::exists(from) && !fs::exists(folder / tool)) fs::create_symlink(from, folder / tool);
    }
  }
  setenv("PATH", folder.c_str(), 1);
  setenv(kCase, name.c_str(), 1);
  const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
  Program again({std::string("--gtest_filter=") + info->test_suite_name() + "." + info->name()},
                "/proc/self/exe");
  const Outcome outcome = again.wait();
  setenv("PATH", path.c_str(), 1);
  unsetenv(kCase);
  EXPECT_EQ(outcome.status, 0) << outcome.out << outcome.errors;
}

TEST(NativeFileDialogs, AskThroughZenityOrKdialog) {
  if (const std::string program = environment(kCase); !program.empty()) {
    const auto dialogs = native_file_dialogs();
    ASSERT_TRUE(dialogs->available());
    for (const FileQuestionKind kind : {FileQuestionKind::kOpenFolder, FileQuestionKind::kOpenFile,
                                        FileQuestionKind::kSaveFile}) {
      const auto answer = ask(*dialogs, kind);
      ASSERT_TRUE(answer);
      EXPECT_EQ(answer->path, "/home/ann/my_dog");
      EXPECT_EQ(answer->question.field, "instance_data_dir");
      const std::string arguments = read_file(program + ".arguments");
      EXPECT_NE(arguments.find("A question"), std::string::npos) << arguments;
      EXPECT_FALSE(dialogs->waiting());
    }
    return;
  }
  for (const char* name : {"zenity", "kdialog"}) {
    const TemporaryFolder folder;
    write_program(folder.path() / name, "/home/ann/my_dog", 0);
    expect_in_new_process((folder.path() / name).string(), folder.path());
  }
}

TEST(NativeFileDialogs, ACancelledOneHasNoAnswer) {
  if (!environment(kCase).empty()) {
    const auto dialogs = native_file_dialogs();
    EXPECT_FALSE(ask(*dialogs, FileQuestionKind::kOpenFolder));
    EXPECT_FALSE(ask(*dialogs, FileQuestionKind::kOpenFile));
    EXPECT_FALSE(dialogs->waiting());
    return;
  }
  const TemporaryFolder folder;
  write_program(folder.path() / "zenity", "", 1);
  expect_in_new_process("cancelled", folder.path());
}

TEST(NativeFileDialogs, AreNotThereWithoutAProgram) {
  if (!environment(kCase).empty()) {
    EXPECT_FALSE(native_file_dialogs()->available());
    return;
  }
  const TemporaryFolder folder;
  expect_in_new_process("none", folder.path());
}

}  // namespace
}  // namespace dorabooth::testing::native_file_dialog_ui_test
