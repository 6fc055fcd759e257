// metrics.jsonl: every step once, whatever was killed or resumed.
#include "src/report/metrics_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "src/base/atomic_file.h"
#include "tests/support/fixtures.h"

namespace dorabooth::metrics_file_test {
namespace {

using nlohmann::json;
using testing::message_of;
using testing::TemporaryFolder;

json step_line(int64_t step) { return {{"step", step}, {"loss", 0.5}}; }

std::vector<int64_t> steps_in(const std::filesystem::path& path) {
  std::vector<int64_t> steps;
  for (const json& line : read_metrics(path)) steps.push_back(line.at("step").get<int64_t>());
  return steps;
}

TEST(MetricsFile, LineIsInTheFileWhenAppendReturns) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "out" / "metrics.jsonl";
  MetricsFile file(path, 0);
  file.append(step_line(1));
  EXPECT_EQ(read_file(path), "{\"loss\":0.5,\"step\":1}\n");
  file.append(step_line(2));
  EXPECT_EQ(steps_in(path), (std::vector<int64_t>{1, 2}));
  file.sync();
}

TEST(MetricsFile, ResumeCutsTheLaterStepsOff) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "metrics.jsonl";
  {
    MetricsFile file(path, 0);
    for (int64_t step = 1; step <= 7; ++step) file.append(step_line(step));
  }
  MetricsFile resumed(path, 4);
  EXPECT_EQ(steps_in(path), (std::vector<int64_t>{1, 2, 3, 4}));
  resumed.append(step_line(5));
  EXPECT_EQ(steps_in(path), (std::vector<int64_t>{1, 2, 3, 4, 5}));
}

TEST(MetricsFile, NewRunStartsAnew) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "metrics.jsonl";
  { MetricsFile(path, 0).append(step_line(1)); }
  MetricsFile again(path, 0);
  EXPECT_EQ(read_file(path), "");
}

TEST(MetricsFile, HalfWrittenLastLineIsCutOff) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "metrics.jsonl";
  write_file_atomically(path, "{\"step\":1}\n{\"step\":2}\n{\"step\":3,\"lo");
  EXPECT_EQ(steps_in(path), (std::vector<int64_t>{1, 2}));
  MetricsFile resumed(path, 9);
  EXPECT_EQ(read_file(path), "{\"step\":1}\n{\"step\":2}\n");
}

TEST(MetricsFile, DamagedLineIsNamed) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "metrics.jsonl";
  write_file_atomically(path, "{\"step\":1}\nnot json\n{\"step\":3}\n");
  const std::string message = message_of([&] { MetricsFile(path, 3); });
  EXPECT_NE(message.find("metrics.jsonl line 2"), std::string::npos) << message;
}

TEST(MetricsFile, StepThatDoesNotGrowIsRefused) {
  const TemporaryFolder folder;
  MetricsFile file(folder.path() / "metrics.jsonl", 0);
  file.append(step_line(3));
  EXPECT_NE(message_of([&] { file.append(step_line(3)); }).find("step 3 comes after step 3"),
            std::string::npos);
  EXPECT_NE(message_of([&] { file.append({{"loss", 1.0}}); }).find("\"step\""), std::string::npos);
}

TEST(MetricsFile, NumberThatIsNotFiniteIsNull) {
  const TemporaryFolder folder;
  MetricsFile file(folder.path() / "metrics.jsonl", 0);
  file.append({{"step", 1}, {"loss", std::nan("")}});
  EXPECT_TRUE(read_metrics(folder.path() / "metrics.jsonl").at(0).at("loss").is_null());
}

TEST(MetricsFile, FullDiskIsAnErrorWithThePath) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  AppendFile full("/dev/full", AppendFile::Mode::kContinue);
  const std::string message = message_of([&] { full.append("x"); });
  EXPECT_NE(message.find("/dev/full: No space left"), std::string::npos) << message;
}

}  // namespace
}  // namespace dorabooth::metrics_file_test
