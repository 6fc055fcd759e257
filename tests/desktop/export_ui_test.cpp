// The Export window: the request, its plan, the run, the receipt.
#include "ui/desktop/views/export.h"

#include <gtest/gtest.h>

#include "tests/desktop/desk_harness.h"

namespace dorabooth::export_ui_test {
namespace {

using testing::DeskHarness;
using testing::state_in;

State ready_state() {
  State state = state_in("/home/ann");
  set_base(state.project, "sdxl-base");
  state.project.trained_adapters = {"/out/dora/pytorch_lora_weights.safetensors"};
  return state;
}

MergePlan plan_of(uint64_t bytes, uint64_t free_bytes) {
  MergePlan plan;
  plan.tensors = 200;
  plan.bytes = bytes;
  plan.free_bytes = free_bytes;
  return plan;
}

MergeReport report_of_three_layers() {
  MergeReport report;
  report.path = "/out/merged";
  report.receipt = "/out/merged/merge_receipt.json";
  report.layers = {{"b", 3, 1e-8, 2e-7}, {"a", 1, 2e-8, 3e-7}, {"c", 2, 3e-8, 1e-7}};
  report.largest_pixel_difference = 1;
  return report;
}

std::vector<std::string> modules(const State& state) {
  std::vector<std::string> names;
  for (const MergedLayer& layer : state.export_.report->layers) names.push_back(layer.module);
  return names;
}

TEST(ExportView, TheAdapterOfTheLastRunIsAddedWithAStrengthAndRemoved) {
  DeskHarness desk(ready_state(), draw_export);
  desk.drive([](ImGuiTestContext* test) {
    test->ItemClick("**/Add dora");
    test->ItemInputValue("**/##strength", "0.5");
  });
  EXPECT_EQ(desk.state.project.merge.adapter_path,
            std::vector<std::string>{"/out/dora/pytorch_lora_weights.safetensors:0.5"});
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Remove"); });
  EXPECT_TRUE(desk.state.project.merge.adapter_path.empty());
  reduce(desk.state, AppAction(UndoEdit{}));
  EXPECT_EQ(desk.state.project.merge.adapter_path.size(), 1u);
}

TEST(ExportView, AnotherAdapterIsAskedForAndAdded) {
  DeskHarness desk(ready_state(), draw_export);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Add a file..."); });
  ASSERT_TRUE(desk.last_effect<OpenFileDialog>());
  reduce(desk.state,
         FileAction(FileChosen{desk.last_effect<OpenFileDialog>()->question, "/a/x.safetensors"}));
  EXPECT_EQ(desk.state.project.merge.adapter_path, std::vector<std::string>{"/a/x.safetensors"});
}

TEST(ExportView, EveryChangeIsCheckedOnce) {
  DeskHarness desk(ready_state(), draw_export);
  const auto count = [&] {
    return std::count_if(desk.effects.begin(), desk.effects.end(), [](const Effect& effect) {
      return std::holds_alternative<PlanMerge>(effect);
    });
  };
  desk.frames(10);
  EXPECT_EQ(count(), 1);
  reduce(desk.state, ExportAction(MergePlanned{plan_of(1, 2)}));
  desk.frames(10);
  EXPECT_EQ(count(), 1);
  reduce(desk.state, FormAction(SetField{FormId::kMerge, "layout", "unet"}));
  desk.frames(10);
  EXPECT_EQ(count(), 2);
  EXPECT_EQ(desk.last_effect<PlanMerge>()->request.layout, "unet");
}

TEST(ExportView, ProblemsStandUnderTheirFields) {
  State state = ready_state();
  reduce(state, ExportAction(CheckMerge{}));
  MergePlan plan;
  plan.problems = {{"adapter_path", "nothing to merge"}, {"output_dir", "/out exists"}};
  reduce(state, ExportAction(MergePlanned{plan}));
  DeskHarness desk(state, draw_export);
  desk.frames();
  const std::string text = desk.visible_text();
  EXPECT_NE(text.find("Nothing to merge yet"), std::string::npos) << text;
  EXPECT_NE(text.find("/out exists"), std::string::npos) << text;
}

TEST(ExportView, SaysWhatItTakesAndWhetherThatFits) {
  State state = ready_state();
  reduce(state, ExportAction(CheckMerge{}));
  reduce(state, ExportAction(MergePlanned{plan_of(6'900'000'000, 500'000'000'000)}));
  {
    DeskHarness desk(state, draw_export);
    desk.frames();
    EXPECT_NE(desk.visible_text().find("200 tensors, 6.9 GB to be written; 500.0 GB are free"),
              std::string::npos)
        << desk.visible_text();
  }
  reduce(state, ExportAction(MergePlanned{plan_of(6'900'000'000, 1'000'000'000)}));
  DeskHarness desk(state, draw_export);
  desk.frames();
  EXPECT_NE(desk.visible_text().find("too little"), std::string::npos);
}

TEST(ExportView, MergesAndStops) {
  DeskHarness desk(ready_state(), draw_export);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Start merging"); });
  ASSERT_TRUE(desk.last_effect<RunMerge>());
  EXPECT_EQ(desk.last_effect<RunMerge>()->request.pretrained_model_name_or_path, "sdxl-base");
  reduce(desk.state, JobId::kMerge, StartedEvent{"merge", 200});
  reduce(desk.state, JobId::kMerge, StepEvent{50, 200, {}, 0.01, 2});
  desk.frames();
  EXPECT_NE(desk.visible_text().find("running, tensor 50 of 200"), std::string::npos);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Stop"); });
  EXPECT_EQ(desk.last_effect<StopJob>()->job, JobId::kMerge);
}

TEST(ExportView, ARefusedSettingIsCorrectedFirst) {
  State state = ready_state();
  reduce(state, FormAction(SetField{FormId::kMerge, "layout", "zip"}));
  EXPECT_TRUE(reduce(state, ExportAction(StartMerge{})).empty());
  EXPECT_NE(state.log.notices.at(0).message.text.find("'layout'"), std::string::npos);
}

TEST(ExportView, TheReceiptIsSortedByItsHeadings) {
  State state = ready_state();
  reduce(state, ExportAction(MergeDone{report_of_three_layers()}));
  DeskHarness desk(state, draw_export);
  desk.frames();
  EXPECT_EQ(modules(desk.state), (std::vector<std::string>{"a", "b", "c"}));
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Forward error"); });
  EXPECT_EQ(modules(desk.state), (std::vector<std::string>{"a", "b", "c"}));
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Largest change"); });
  EXPECT_EQ(modules(desk.state), (std::vector<std::string>{"b", "c", "a"}));
  EXPECT_NE(desk.visible_text().find("at most 1 of 255"), std::string::npos);
}

TEST(ExportView, ThePathIsCopiedAndTheResultInspected) {
  State state = ready_state();
  reduce(state, ExportAction(MergeDone{report_of_three_layers()}));
  DeskHarness desk(state, draw_export);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Copy path"); });
  EXPECT_EQ(desk.last_effect<CopyToClipboard>()->text, "/out/merged");
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Copy the receipt's path"); });
  EXPECT_EQ(desk.last_effect<CopyToClipboard>()->text, "/out/merged/merge_receipt.json");
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Inspect it"); });
  EXPECT_EQ(desk.last_effect<RunInspect>()->request.path, "/out/merged");
}

TEST(ExportView, AStoppedMergeHasNoReceipt) {
  State state = ready_state();
  MergeReport stopped;
  stopped.stopped = true;
  reduce(state, ExportAction(MergeDone{stopped}));
  EXPECT_FALSE(state.export_.report);
}

}  // namespace
}  // namespace dorabooth::export_ui_test
