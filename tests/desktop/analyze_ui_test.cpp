// The Analyze window: what is analyzed, the run, tables, plots and files.
#include "ui/desktop/views/analyze.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "tests/desktop/desk_harness.h"

namespace dorabooth::analyze_ui_test {
namespace {

using testing::DeskHarness;
using testing::state_in;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

State ready_state() {
  State state = state_in("/home/ann");
  set_base(state.project, "sdxl-base");
  state.project.trained_adapters = {"/out/dora/pytorch_lora_weights.safetensors"};
  return state;
}

// Two layers at two steps by DoRA, one layer by LoRA; ΔM and ΔD by the output axis, then by the
// input axis.
AnalyzeReport report_of_two() {
  ChangeSeries dora;
  dora.name = "dora";
  dora.records = {{"unet.a.to_q", 100, {0.5, 0.125}, {0.25, 0.5}},
                  {"unet.a.to_q", 200, {0.75, 0.25}, {0.375, 0.75}},
                  {"unet.b.to_k", 200, {0.25, 0.375}, {0.125, 0.25}}};
  dora.output = {-0.375, -1.5, 0.875};
  dora.input = {0.625, 2.5, 0.0625};
  ChangeSeries lora;
  lora.name = "lora";
  lora.records = {{"unet.a.to_q", -1, {0.1875, 0.0625}, {0.3125, 0.4375}}};
  lora.output = lora.input = {kNan, kNan, kNan};
  AnalyzeReport report;
  report.series = {dora, lora};
  return report;
}

State analyzed() {
  State state = ready_state();
  reduce(state, AnalyzeAction(AnalyzeDone{report_of_two()}));
  return state;
}

std::vector<std::string> rows(const State& state) {
  std::vector<std::string> names;
  for (const ChangeRow& row : state.analyze.rows)
    names.push_back(row.series + " " + row.change.layer + " " + std::to_string(row.change.step));
  return names;
}

TEST(AnalyzeView, AnAdapterAndARunAreAddedAndAnalyzed) {
  DeskHarness desk(ready_state(), draw_analyze);
  desk.drive([](ImGuiTestContext* test) {
    test->ItemClick("**/Add dora");
    test->ItemClick("**/Add a run...");
  });
  ASSERT_TRUE(desk.last_effect<OpenFileDialog>());
  EXPECT_EQ(desk.last_effect<OpenFileDialog>()->question.kind, FileQuestionKind::kOpenFolder);
  reduce(desk.state,
         FileAction(FileChosen{desk.last_effect<OpenFileDialog>()->question, "/out/run"}));
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Start analyzing"); });
  ASSERT_TRUE(desk.last_effect<RunAnalyze>());
  const AnalyzeRequest& request = desk.last_effect<RunAnalyze>()->request;
  EXPECT_EQ(request.pretrained_model_name_or_path, "sdxl-base");
  EXPECT_EQ(request.adapter_path, desk.state.project.trained_adapters);
  EXPECT_EQ(request.run, std::vector<std::string>{"/out/run"});
  EXPECT_TRUE(desk.state.jobs[JobId::kAnalyze].active());
}

TEST(AnalyzeView, NothingToAnalyzeIsSaidAndNotStarted) {
  State state = ready_state();
  EXPECT_TRUE(reduce(state, AnalyzeAction(StartAnalyze{})).empty());
  EXPECT_NE(state.log.notices.at(0).message.text.find("add an adapter"), std::string::npos);
  EXPECT_FALSE(state.jobs[JobId::kAnalyze].active());
}

TEST(AnalyzeView, ShowsMeansCorrelationAndLayersOfTheChosenAxis) {
  DeskHarness desk(analyzed(), draw_analyze);
  desk.frames();
  const std::string output = desk.visible_text();
  // The mean of 0.5, 0.75 and 0.25; of 0.125, 0.25 and 0.375.
  for (const char* part : {"dora", "lora", "0.5", "0.25", "-0.375", "-1.5", "unet.b.to_k", "200"})
    EXPECT_NE(output.find(part), std::string::npos) << part << "\n" << output;
  EXPECT_EQ(output.find("0.625"), std::string::npos) << output;
  desk.drive([](ImGuiTestContext* test) {
    test->SetRef(test->WindowInfo("Run").ID);
    test->ItemClick("Norm axis");
    test->ItemClick("//$FOCUSED/input: columns of W");
  });
  EXPECT_EQ(desk.state.analyze.axis, VectorAxis::kInput);
  const std::string input = desk.visible_text();
  EXPECT_NE(input.find("0.625"), std::string::npos) << input;
  EXPECT_NE(input.find("0.4375"), std::string::npos) << input;
}

TEST(AnalyzeView, WhatIsNotDefinedIsADash) {
  DeskHarness desk(analyzed(), draw_analyze);
  desk.frames();
  const std::string text = desk.visible_text();
  EXPECT_EQ(text.find("nan"), std::string::npos) << text;
}

TEST(AnalyzeView, TheLayersAreSortedByTheirHeadings) {
  DeskHarness desk(analyzed(), draw_analyze);
  desk.frames();
  EXPECT_EQ(rows(desk.state).front(), "dora unet.a.to_q 100");
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/ΔD"); });
  EXPECT_EQ(rows(desk.state),
            (std::vector<std::string>{"dora unet.b.to_k 200", "dora unet.a.to_q 200",
                                      "dora unet.a.to_q 100", "lora unet.a.to_q -1"}));
  reduce(desk.state, AnalyzeAction(ShowNormAxis{VectorAxis::kInput}));
  reduce(desk.state, AnalyzeAction(SortChanges{ChangeColumn::kMagnitude, false}));
  EXPECT_EQ(rows(desk.state),
            (std::vector<std::string>{"dora unet.b.to_k 200", "dora unet.a.to_q 100",
                                      "lora unet.a.to_q -1", "dora unet.a.to_q 200"}));
}

TEST(AnalyzeView, AClickedLayerIsMarked) {
  DeskHarness desk(analyzed(), draw_analyze);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/unet.b.to_k##3"); });
  EXPECT_EQ(desk.state.analyze.layer, "unet.b.to_k");
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/By layer"); });
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/unet.b.to_k##3"); });
  EXPECT_EQ(desk.state.analyze.layer, "");
}

TEST(AnalyzeView, IsSavedAsTableAndAsJson) {
  DeskHarness desk(analyzed(), draw_analyze);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Save CSV..."); });
  ASSERT_TRUE(desk.last_effect<OpenFileDialog>());
  const FileQuestion question = desk.last_effect<OpenFileDialog>()->question;
  EXPECT_EQ(question.kind, FileQuestionKind::kSaveFile);
  Effects effects = reduce(desk.state, FileAction(FileChosen{question, "/out/a.csv"}));
  const auto& csv = std::get<SaveText>(effects.at(0));
  EXPECT_EQ(csv.path, "/out/a.csv");
  EXPECT_EQ(csv.text.substr(0, csv.text.find('\n')), "series,layer,step,axis,delta_M,delta_D");
  EXPECT_NE(csv.text.find("\n\"dora\",unet.a.to_q,100,output,0.5,0.125\n"), std::string::npos)
      << csv.text;
  EXPECT_NE(csv.text.find("\n\"dora\",unet.a.to_q,100,input,0.25,0.5\n"), std::string::npos);
  effects = reduce(desk.state, FileAction(FileChosen{question, "/out/a.json"}));
  const auto json = nlohmann::json::parse(std::get<SaveText>(effects.at(0)).text);
  EXPECT_EQ(json.at("series").at(0).at("correlation").at("out").at("pearson"), -0.375);
  EXPECT_EQ(json.at("series").at(1).at("records").at(0).at("in").at("delta_D"), 0.4375);
  EXPECT_TRUE(json.at("series").at(1).at("correlation").at("out").at("slope").is_null());
}

TEST(AnalyzeView, AStoppedAnalysisLeavesWhatWasThere) {
  State state = analyzed();
  AnalyzeReport stopped;
  stopped.stopped = true;
  reduce(state, AnalyzeAction(AnalyzeDone{stopped}));
  EXPECT_EQ(state.analyze.rows.size(), 4u);
}

TEST(AnalyzeView, IsStartedAndStoppedByKey) {
  State state = ready_state();
  state.project.analyze.adapter_path = state.project.trained_adapters;
  DeskHarness desk(state);
  desk.drive([](ImGuiTestContext* test) {
    test->KeyPress(ImGuiMod_Ctrl | ImGuiKey_6);
    test->Yield(2);
    test->KeyPress(ImGuiMod_Ctrl | ImGuiKey_T);
  });
  ASSERT_TRUE(desk.last_effect<RunAnalyze>());
  desk.drive(
      [](ImGuiTestContext* test) { test->KeyPress(ImGuiMod_Ctrl | ImGuiMod_Shift | ImGuiKey_T); });
  ASSERT_TRUE(desk.last_effect<StopJob>());
  EXPECT_EQ(desk.last_effect<StopJob>()->job, JobId::kAnalyze);
}

}  // namespace
}  // namespace dorabooth::analyze_ui_test
