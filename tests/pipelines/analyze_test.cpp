// The analysis over a run's checkpoints, an adapter file and the model that it was merged into.
#include "pipelines/analyze.h"

#include <cmath>

#include "pipelines/merge.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::analyze_test {
namespace {

TEST_F(TrainingTest, AnalyzeFollowsARunAndAgreesWithItsMergedModel) {
  config_.adapter = {"lora", "dora"};
  config_.max_train_steps = 3;
  config_.checkpointing_steps = 1;
  train_into("out", config_);
  const fs::path out = folder_.path() / "out";
  const std::string dora = (out / "dora").string();

  MergeRequest merging;
  merging.pretrained_model_name_or_path = base_path();
  merging.adapter_path = {dora};
  merging.dtype = "fp32";
  merging.output_dir = (folder_.path() / "merged").string();
  Recorder silent;
  merge(merging, silent, {});

  AnalyzeRequest request;
  request.pretrained_model_name_or_path = base_path();
  request.adapter_path = {"file=" + dora};
  request.run = {"run=" + out.string()};
  request.checkpoint = {"whole=" + *merging.output_dir + "@3"};
  request.output_csv = (folder_.path() / "changes.csv").string();
  const AnalyzeReport report = analyze(request, silent, {});
  ASSERT_EQ(report.series.size(), 4u);
  const auto& file = report.series[0];
  const auto& run_dora = report.series[1];
  const auto& run_lora = report.series[2];
  const auto& whole = report.series[3];
  EXPECT_EQ(file.name, "file");
  EXPECT_EQ(run_dora.name, "run dora");
  EXPECT_EQ(run_lora.name, "run lora");
  EXPECT_EQ(whole.name, "whole");
  EXPECT_EQ(run_dora.records.size(), 3 * file.records.size());
  EXPECT_EQ(run_dora.records.back().step, 3);
  EXPECT_EQ(whole.records.front().step, 3);
  EXPECT_TRUE(std::isfinite(run_dora.output.pearson));
  EXPECT_EQ(run_dora.layers.size(), file.records.size());
  for (size_t i = 0; i < file.records.size(); ++i) {
    const LayerChange& last = run_dora.records[3 * i + 2];
    EXPECT_EQ(file.records[i].layer, last.layer);
    EXPECT_NEAR(file.records[i].output.magnitude, last.output.magnitude, 1e-7);
    EXPECT_GT(last.output.direction, 0.0);
  }
  // The merged model has every attention layer, the ones with an adapter changed as the file says.
  for (const LayerChange& want : file.records) {
    const auto found = std::ranges::find(whole.records, want.layer, &LayerChange::layer);
    ASSERT_NE(found, whole.records.end()) << want.layer;
    EXPECT_NEAR(found->input.direction, want.input.direction, 1e-9);
    EXPECT_NEAR(found->output.magnitude, want.output.magnitude, 1e-6);
  }
  const std::string csv = read_file(*request.output_csv);
  EXPECT_EQ(csv.find("series,layer,step,axis,delta_M,delta_D\n"), 0u);
  EXPECT_NE(csv.find("\"run dora\",unet."), std::string::npos);
}

TEST_F(TrainingTest, AnalyzeSaysWhatIsMissing) {
  Recorder silent;
  AnalyzeRequest request;
  EXPECT_THROW(analyze(request, silent, {}), UsageError);
  request.pretrained_model_name_or_path = base_path();
  EXPECT_THROW(analyze(request, silent, {}), UsageError);
  request.run = {folder_.path().string()};
  EXPECT_NE(message_of([&] { analyze(request, silent, {}); }).find("output_dir of a training run"),
            std::string::npos);
}

}  // namespace
}  // namespace dorabooth::testing::analyze_test
