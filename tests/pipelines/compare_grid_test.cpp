// Rows, columns and sweeps of a comparison.
#include "pipelines/compare_grid.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/fixtures.h"

namespace dorabooth::compare_grid_test {
namespace {

namespace fs = std::filesystem;
using testing::message_of;
using testing::TemporaryFolder;

void write_weights(const fs::path& folder) {
  fs::create_directories(folder);
  std::ofstream(folder / "pytorch_lora_weights.safetensors") << "x";
}

std::vector<std::string> names(const CompareRequest& request) {
  std::vector<std::string> result;
  for (const CompareColumn& column : compare_columns(request)) result.push_back(column.name);
  return result;
}

TEST(CompareGrid, StrengthsBecomeColumns) {
  CompareRequest request;
  request.column = {"DoRA=/a/dora.safetensors:0.75"};
  request.sweep_strength = {0, 0.5, 1};
  EXPECT_EQ(names(request), (std::vector<std::string>{"base", "DoRA 0", "DoRA 0.5", "DoRA 1"}));
  EXPECT_EQ(compare_columns(request)[2].adapters.at(0).strength, 0.5);
  EXPECT_EQ(compare_columns(request)[2].adapters.at(0).path, "/a/dora.safetensors");
  EXPECT_EQ(compare_picture_path(request, 7, 42, compare_columns(request)[2]),
            "sheet/007-42-DoRA_0.5.png");
}

TEST(CompareGrid, CheckpointsBecomeColumnsInTheOrderOfTheirSteps) {
  const TemporaryFolder run;
  for (const char* name : {"checkpoint-1000", "checkpoint-50", "checkpoint-50.tmp", "samples"})
    write_weights(run.path() / name);
  CompareRequest request;
  request.sweep_checkpoints = {run.path().string()};
  EXPECT_EQ(names(request), (std::vector<std::string>{"base", "step 50", "step 1000"}));
}

TEST(CompareGrid, TheCheckpointsOfATwinRunStandByAdapter) {
  const TemporaryFolder run;
  for (const char* name : {"checkpoint-5/lora", "checkpoint-5/dora", "checkpoint-10/dora"})
    write_weights(run.path() / name);
  CompareRequest request;
  request.sweep_checkpoints = {run.path().string()};
  EXPECT_EQ(names(request),
            (std::vector<std::string>{"base", "dora step 5", "dora step 10", "lora step 5"}));
}

TEST(CompareGrid, AFolderWithoutCheckpointsIsNamed) {
  const TemporaryFolder run;
  EXPECT_NE(message_of([&] { checkpoint_columns(run.path().string()); }).find(run.path().string()),
            std::string::npos);
  EXPECT_NE(message_of([&] { checkpoint_columns("/no/such"); }).find("/no/such"),
            std::string::npos);
}

TEST(CompareGrid, ANameThatWouldSplitElsewhereIsMadePlain) {
  const std::string text = column_text("a/b=c", {"", "/x=y/z.safetensors", 0.5});
  const AdapterArgument adapter = parse_named_adapter(text);
  EXPECT_EQ(adapter.name, "a b c");
  EXPECT_EQ(adapter.path, "/x=y/z.safetensors");
  EXPECT_EQ(adapter.strength, 0.5);
}

}  // namespace
}  // namespace dorabooth::compare_grid_test
