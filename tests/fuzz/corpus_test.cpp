// Every kept input of the fuzzers, seeds and what they once found.
#include <gtest/gtest.h>

#include <filesystem>

#include "src/base/atomic_file.h"
#include "tests/fuzz/targets.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::corpus_test {
namespace {

namespace fs = std::filesystem;

TEST(FuzzCorpus, EveryInputIsReadOrRefusedInASentence) {
  for (const FuzzTarget& target : fuzz_targets()) {
    const fs::path folder = source_dir() / "tests/fuzz/corpus" / target.name;
    ASSERT_TRUE(fs::exists(folder)) << folder;
    int64_t inputs = 0;
    for (const auto& entry : fs::directory_iterator(folder)) {
      SCOPED_TRACE(entry.path().string());
      target.run(read_file(entry.path()));
      ++inputs;
    }
    EXPECT_GT(inputs, 0) << folder;
  }
}

// Cut at every length and with every byte of the first part changed: a small search of its own.
TEST(FuzzCorpus, CutAndChangedInputsToo) {
  constexpr size_t kLongest = 4096;
  constexpr size_t kChanged = 256;
  for (const FuzzTarget& target : fuzz_targets()) {
    for (const auto& entry :
         fs::directory_iterator(source_dir() / "tests/fuzz/corpus" / target.name)) {
      SCOPED_TRACE(entry.path().string());
      std::string bytes = read_file(entry.path());
      if (bytes.size() > kLongest) continue;
      const size_t step = bytes.size() / 64 + 1;
      for (size_t size = 0; size < bytes.size(); size += step) target.run(bytes.substr(0, size));
      for (size_t i = 0; i < std::min(bytes.size(), kChanged); i += 3) {
        const char kept = bytes[i];
        bytes[i] = static_cast<char>(kept ^ 0x15);
        target.run(bytes);
        bytes[i] = kept;
      }
    }
  }
}

}  // namespace
}  // namespace dorabooth::testing::corpus_test
