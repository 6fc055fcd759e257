// dorabooth gui where it cannot open a window: one sentence.
#include <gtest/gtest.h>

#include "tests/cli/program.h"

namespace dorabooth::testing::gui_e2e_test {
namespace {

Outcome run_without_display(const std::vector<std::string>& arguments,
                            const std::filesystem::path& program) {
  Program process(arguments, program, /*empty_environment=*/true);
  return process.wait();
}

TEST(Gui, WithoutADisplayItSaysSo) {
  if (!std::filesystem::exists(binary_dir() / "dorabooth-desktop"))
    GTEST_SKIP() << "built without the desktop program";
  const Outcome outcome = run_without_display({"gui"}, binary_dir() / "dorabooth");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.errors.rfind("dorabooth gui: there is no display", 0), 0u) << outcome.errors;
  const Outcome direct = run_without_display({}, binary_dir() / "dorabooth-desktop");
  EXPECT_EQ(direct.status, 1);
  EXPECT_EQ(direct.errors.rfind("dorabooth gui: no display", 0), 0u) << direct.errors;
}

TEST(Gui, HandsItsFlagsOn) {
  if (!std::filesystem::exists(binary_dir() / "dorabooth-desktop"))
    GTEST_SKIP() << "built without the desktop program";
  const Outcome help = run_without_display({"gui", "--help"}, binary_dir() / "dorabooth");
  EXPECT_EQ(help.status, 0);
  EXPECT_NE(help.out.find("--project FILE"), std::string::npos);
  const Outcome wrong = run_without_display({"--siez", "1x1"}, binary_dir() / "dorabooth-desktop");
  EXPECT_EQ(wrong.status, 2);
  EXPECT_NE(wrong.errors.find("'--size'"), std::string::npos) << wrong.errors;
}

}  // namespace
}  // namespace dorabooth::testing::gui_e2e_test
