// The grid of a sweep, what may vary, and the table over the seeds.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "pipelines/sweep.h"
#include "pipelines/sweep_text.h"
#include "src/base/error.h"
#include "tests/support/fixtures.h"

namespace dorabooth::sweep_points_test {
namespace {

using nlohmann::json;
using testing::message_of;

SweepRequest request_of(std::vector<std::string> fields) {
  SweepRequest request;
  request.field = std::move(fields);
  request.output_dir = "out";
  return request;
}

std::vector<std::string> labels(const SweepRequest& request) {
  std::vector<std::string> result;
  for (const SweepPoint& point : sweep_points(request)) result.push_back(point.label);
  return result;
}

std::string complaint(const std::string& field) {
  return message_of([&] { sweep_points(request_of({field})); });
}

TEST(SweepPoints, AllCombinationsTheLastFieldFastest) {
  const SweepRequest request = request_of({"rank=4,8", "seed=0,1"});
  EXPECT_EQ(labels(request), (std::vector<std::string>{"rank=4,seed=0", "rank=4,seed=1",
                                                       "rank=8,seed=0", "rank=8,seed=1"}));
  const SweepPoint last = sweep_points(request).back();
  EXPECT_EQ(last.config.rank, 8);
  EXPECT_EQ(last.config.seed, 1);
  EXPECT_EQ(last.config.output_dir, "out/runs/rank=8,seed=1");
}

TEST(SweepPoints, ValuesAreReadAsTheirFlagsAre) {
  const auto points = sweep_points(request_of({"learning_rate=1e-3,2e-3", "snr_gamma=none,5"}));
  ASSERT_EQ(points.size(), 4u);
  EXPECT_DOUBLE_EQ(points[0].config.learning_rate, 1e-3);
  EXPECT_FALSE(points[0].config.snr_gamma.has_value());
  EXPECT_DOUBLE_EQ(points[3].config.learning_rate, 2e-3);
  EXPECT_EQ(points[3].config.snr_gamma, 5.0);
}

TEST(SweepPoints, ListsStandInJson) {
  const auto points =
      sweep_points(request_of({R"(adapter=[["lora"],["vera","dora:rank=2,alpha=4"]])"}));
  ASSERT_EQ(points.size(), 2u);
  EXPECT_EQ(points[1].config.adapter, (std::vector<std::string>{"vera", "dora:rank=2,alpha=4"}));
  EXPECT_EQ(points[1].label, "adapter=vera+dora_rank=2,alpha=4");
}

TEST(SweepPoints, ALabelIsAFolderNameOfAnyFileSystem) {
  std::string name(300, 'x');
  const auto points = sweep_points(request_of({"instance_prompt=a/b," + name}));
  EXPECT_EQ(points[0].label, "instance_prompt=a_b");
  EXPECT_LE(points[1].label.size(), 160u);
}

TEST(SweepPoints, WhatCannotVaryIsNamed) {
  EXPECT_NE(complaint("rnak=1").find("did you mean 'rank'"), std::string::npos);
  EXPECT_NE(complaint("output_dir=a,b").find("output_dir"), std::string::npos);
  EXPECT_NE(complaint("rank").find("NAME=V1"), std::string::npos);
  EXPECT_NE(complaint("rank=").find("NAME=V1"), std::string::npos);
  EXPECT_NE(complaint("rank=4,0").find("rank"), std::string::npos);
  EXPECT_NE(complaint("rank=4,4").find("twice"), std::string::npos);
  EXPECT_NE(complaint("adapter=lora,dora").find("JSON"), std::string::npos);
  EXPECT_NE(complaint("adapter=[lora").find("JSON"), std::string::npos);
  EXPECT_NE(message_of([] {
              sweep_points(request_of({"rank=4", "rank=8"}));
            }).find("twice"),
            std::string::npos);
  EXPECT_NE(message_of([] { sweep_points(request_of({})); }).find("--field"), std::string::npos);
}

SweepRun run_of(int64_t rank, int64_t seed, double lora, double dora) {
  SweepRun run;
  run.values = {{"rank", rank}, {"seed", seed}};
  run.label = "run";
  run.base_loss = 0.1;
  run.adapters = {{"lora", 100 * rank, lora, lora / 0.1 - 1.0, std::nullopt},
                  {"dora", 110 * rank, dora, dora / 0.1 - 1.0, 0.5}};
  run.peak_memory_mb = 100.0 + static_cast<double>(seed);
  return run;
}

TEST(SweepTable, SeedsBecomeMeanAndSampleDeviation) {
  const auto rows = rows_of({run_of(4, 0, 0.090, 0.08), run_of(4, 1, 0.094, 0.08),
                             run_of(4, 2, 0.098, 0.08), run_of(8, 0, 0.05, 0.04)});
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[0].adapter, "lora");
  EXPECT_EQ(rows[0].values, (PointValues{{"rank", 4}}));
  EXPECT_EQ(rows[0].runs, 3);
  EXPECT_EQ(rows[0].parameters, 400);
  EXPECT_NEAR(rows[0].loss.mean, 0.094, 1e-12);
  EXPECT_NEAR(rows[0].loss.deviation, 0.004, 1e-12);  // (16 + 0 + 16)e-6 / 2
  EXPECT_NEAR(rows[0].relative_to_base.mean, -0.06, 1e-12);
  EXPECT_EQ(rows[0].peak_memory_mb, 102.0);
  EXPECT_FALSE(rows[0].image_distance.has_value());
  EXPECT_NEAR(rows[1].image_distance->mean, 0.5, 1e-12);
  EXPECT_FALSE(rows[0].against_first.has_value());
  // 0.8 - 0.90, 0.94, 0.98
  EXPECT_NEAR(rows[1].against_first->mean, -0.14, 1e-12);
  EXPECT_NEAR(rows[1].against_first->deviation, 0.04, 1e-12);
  EXPECT_EQ(rows[3].runs, 1);
  EXPECT_EQ(rows[3].loss.deviation, 0.0);
}

TEST(SweepTable, MemoryStandsWhereWhatVariesDecidesIt) {
  SweepReport report;
  report.runs = {run_of(4, 0, 0.090, 0.08), run_of(4, 1, 0.094, 0.08)};
  report.rows = rows_of(report.runs);
  EXPECT_EQ(sweep_table(report).find("peak memory"), std::string::npos);
  for (SweepRun& run : report.runs) run.values[0] = {"base_quantization", "nf4"};
  report.rows = rows_of(report.runs);
  const std::string table = sweep_table(report);
  EXPECT_NE(table.find("| peak memory |"), std::string::npos) << table;
  EXPECT_NE(table.find("| 101 MB |"), std::string::npos) << table;
}

TEST(SweepTable, TextsHoldTheNumbers) {
  SweepReport report;
  report.runs = {run_of(4, 0, 0.090, 0.08), run_of(4, 1, 0.094, 0.08), run_of(4, 2, 0.098, 0.08)};
  SweepRun failed;
  failed.values = {{"rank", 4}, {"seed", 3}};
  failed.label = "rank=4,seed=3";
  failed.failure = "the loss of lora is nan, at step 3";
  report.runs.push_back(failed);
  report.rows = rows_of(report.runs);
  const std::string table = sweep_table(report);
  EXPECT_NE(table.find("| 4 | lora | 3 | 400 | 0.09400 ± 0.00400 | -6.00 ± 4.00 % | |"),
            std::string::npos)
      << table;
  EXPECT_NE(table.find("-20.00 ± 0.00 % | -14.00 ± 4.00 points | 0.5000 ± 0.0000 |"),
            std::string::npos)
      << table;
  EXPECT_NE(table.find("Not trained: rank=4,seed=3: the loss of lora is nan"), std::string::npos);
  const std::string csv = sweep_csv(report);
  EXPECT_EQ(csv.substr(0, csv.find('\n')),
            "rank,seed,adapter,parameters,loss,base_loss,relative_to_base,image_distance,"
            "base_image_distance,train_seconds,peak_memory_mb,failure");
  EXPECT_NE(csv.find("\n4,1,dora,440,0.08,0.1,"), std::string::npos) << csv;
  EXPECT_NE(csv.find("4,3,,,,,,,,,,\"the loss of lora is nan, at step 3\""), std::string::npos)
      << csv;
  std::istringstream lines(csv);
  for (std::string line; std::getline(lines, line);)
    EXPECT_EQ(std::count(line.begin(), line.end(), ','),
              line.find('"') == std::string::npos ? 11 : 12)
        << line;  // one stands in the reason
  const json described = sweep_json(report);
  EXPECT_EQ(described.at("rows").at(0).at("loss").at("mean"), report.rows[0].loss.mean);
}

TEST(SweepTable, ARunComesBackFromItsJson) {
  const SweepRun run = run_of(4, 2, 0.098, 0.08);
  const SweepRun back = sweep_run_from_json(json::parse(sweep_run_json(run).dump()), run.values);
  EXPECT_EQ(sweep_run_json(back), sweep_run_json(run));
  EXPECT_EQ(back.values, run.values);
}

}  // namespace
}  // namespace dorabooth::sweep_points_test
