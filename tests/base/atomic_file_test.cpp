// Files and folders that are whole or absent; hashes and message helpers.
#include "src/base/atomic_file.h"

#include <gtest/gtest.h>

#include "src/base/error.h"
#include "src/base/hash.h"
#include "tests/support/fixtures.h"

namespace dorabooth::atomic_file_test {
namespace {

using testing::message_of;
using testing::TemporaryFolder;

TEST(AtomicFile, WritesAndReplacesWholeFiles) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "sub" / "a.txt";
  write_file_atomically(path, "one");
  write_file_atomically(path, "two");
  EXPECT_EQ(read_file(path), "two");
  int files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(path.parent_path()))
    ++files;
  EXPECT_EQ(files, 1);
}

TEST(AtomicFile, PublishReplacesAFolder) {
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "new" / "x", "new");
  write_file_atomically(folder.path() / "checkpoint-1" / "x", "old");
  publish(folder.path() / "new", folder.path() / "checkpoint-1");
  EXPECT_EQ(read_file(folder.path() / "checkpoint-1" / "x"), "new");
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "new"));
}

TEST(AtomicFile, AsksForMoreDiskThanThereIs) {
  const TemporaryFolder folder;
  const std::string message = message_of([&] {
    require_disk_space(folder.path() / "not" / "there", uint64_t{1} << 60, "the checkpoint");
  });
  EXPECT_NE(message.find("the checkpoint needs 1152921.5 TB"), std::string::npos) << message;
}

TEST(Hash, MatchesTheKnownSha256) {
  Sha256 hash;
  hash.update("abc");
  EXPECT_EQ(hash.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Error, NearestNameIsWithinAThirdOfTheWord) {
  EXPECT_EQ(nearest_name("leraning_rate", {"rank", "learning_rate"}), "learning_rate");
  EXPECT_EQ(nearest_name("xyzzy", {"rank", "learning_rate"}), "");
}

}  // namespace
}  // namespace dorabooth::atomic_file_test
