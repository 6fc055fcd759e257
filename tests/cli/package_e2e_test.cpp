// The installed folder runs after it is moved, with an empty environment, and stays under its size.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/cli/program.h"

namespace dorabooth::testing::package_e2e_test {
namespace {

namespace fs = std::filesystem;

uintmax_t bytes_below(const fs::path& folder) {
  uintmax_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && !entry.is_symlink()) bytes += entry.file_size();
  }
  return bytes;
}

TEST(Package, RunsAfterItIsMovedAndWithoutAnEnvironment) {
  const TemporaryFolder folder;
  const fs::path installed = folder.path() / "installed";
  const fs::path log = folder.path() / "log";
  const std::string install = "cmake --install '" + binary_dir().string() + "' --prefix '" +
                              installed.string() + "' > '" + log.string() + "' 2>&1";
  ASSERT_EQ(std::system(install.c_str()), 0) << file_text(log);
  const fs::path moved = folder.path() / "moved" / "here";
  fs::create_directories(moved.parent_path());
  fs::rename(installed, moved);
  const fs::path program = moved / "bin" / "dorabooth";

  Program version({"--version"}, program, true);
  const Outcome said = version.wait();
  EXPECT_EQ(said.status, 0) << said.errors;

  const fs::path pictures = folder.path() / "pictures";
  Program sample(
      {"sample", "--pretrained_model_name_or_path",
       (moved / "share" / "dorabooth" / "assets" / "base").string(), "--prompt",
       "a flat icon of pie", "--num_inference_steps", "2", "--output_dir", pictures.string()},
      program, true);
  const Outcome drawn = sample.wait();
  EXPECT_EQ(drawn.status, 0) << drawn.errors;
  ASSERT_TRUE(fs::exists(pictures));
  EXPECT_FALSE(fs::is_empty(pictures));

  EXPECT_LT(bytes_below(moved), 600'000'000u);
  EXPECT_FALSE(fs::is_empty(moved / "share" / "dorabooth" / "licences"));
}

TEST(Package, EveryLibraryComesFromTheFolderOrFromGlibcAndTheCppRuntime) {
  const TemporaryFolder folder;
  const fs::path installed = folder.path() / "installed";
  const fs::path listed = folder.path() / "libraries";
  const std::string command = "cmake --install '" + binary_dir().string() + "' --prefix '" +
                              installed.string() + "' > /dev/null && env -i /usr/bin/ldd '" +
                              (installed / "bin" / "dorabooth").string() +
                              "' | awk '/=>/ { print $3 }' > '" + listed.string() + "'";
  ASSERT_EQ(std::system(command.c_str()), 0);
  const std::vector<std::string> system = {"libc.so",      "libm.so",       "libdl.so",
                                           "librt.so",     "libpthread.so", "libutil.so",
                                           "libstdc++.so", "libgcc_s.so"};
  std::ifstream lines(listed);
  size_t bundled = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(installed.string(), 0) == 0) {
      ++bundled;
      continue;
    }
    const std::string name = fs::path(line).filename().string();
    bool known = false;
    for (const std::string& start : system) known = known || name.rfind(start, 0) == 0;
    EXPECT_TRUE(known) << line;
  }
  EXPECT_GE(bundled, 5u);
}

}  // namespace
}  // namespace dorabooth::testing::package_e2e_test
