// Every safetensors fixture (all made by the reference writer) is rewritten to the same bytes.
#include <gtest/gtest.h>

#include "src/base/atomic_file.h"
#include "src/tensorfile/safetensors.h"
#include "tests/support/fixtures.h"

namespace dorabooth::rewrite_golden_test {
namespace {

namespace fs = std::filesystem;

TEST(SafetensorsRewrite, EqualsTheReferenceWriter) {
  const testing::TemporaryFolder folder;
  size_t files = 0;
  for (const auto& item : fs::recursive_directory_iterator(testing::fixture_path(""))) {
    if (item.path().extension() != ".safetensors") continue;
    ++files;
    const SafetensorsFile source(item.path());
    const fs::path copy = folder.path() / "copy.safetensors";
    EXPECT_EQ(SafetensorsWriter::file_size(source.entries(), source.metadata()),
              fs::file_size(item.path()));
    SafetensorsWriter writer(copy, source.entries(), source.metadata());
    for (const TensorEntry& entry : source.entries()) {
      writer.write(entry.name, 0, {source.data(entry), entry.bytes()});
    }
    writer.finish();
    const SafetensorsFile rewritten(copy);
    EXPECT_EQ(rewritten.metadata(), source.metadata());
    // The reference writer's order of metadata keys is random.
    if (source.metadata().size() < 2) {
      EXPECT_TRUE(read_file(copy) == read_file(item.path())) << item.path();
    }
  }
  EXPECT_GT(files, 0u);
}

}  // namespace
}  // namespace dorabooth::rewrite_golden_test
