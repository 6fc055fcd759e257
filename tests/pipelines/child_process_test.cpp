// Talking to a child by lines.
#include "pipelines/parts/child_process.h"

#include <gtest/gtest.h>

#include "src/base/error.h"

namespace dorabooth::child_process_test {
namespace {

TEST(ChildProcess, AnswersLineByLine) {
  ChildProcess child("/bin/cat", {});
  EXPECT_EQ(child.ask("build"), "build");
  EXPECT_EQ(child.ask(std::string(100000, 'x')), std::string(100000, 'x'));
  EXPECT_EQ(child.ask("run"), "run");
}

TEST(ChildProcess, SaysThatTheChildEndedInsteadOfDyingOfASignal) {
  ChildProcess child("/bin/sh", {"-c", "read line"});
  EXPECT_THROW(child.ask("build"), Error);
  EXPECT_THROW(child.ask("run"), Error);
}

TEST(ChildProcess, NamesAProgramThatCannotBeStarted) {
  try {
    ChildProcess child("/nonexistent/program", {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("/nonexistent/program"), std::string::npos);
  }
}

}  // namespace
}  // namespace dorabooth::child_process_test
