// One heavy job at a time: the second is refused with a word on the first.
#include "ui/desktop/heavy_jobs.h"

#include <gtest/gtest.h>

#include "tests/desktop/compare_state.h"

namespace dorabooth::heavy_jobs_ui_test {
namespace {

using testing::comparing_state;
using testing::DeskHarness;
using testing::draw_all;

// Everything is chosen: each heavy job could start.
State ready_state() {
  State state = comparing_state();
  state.project.train.instance_data_dir = "my_dog";
  state.project.convert.adapter_path = "dora.safetensors";
  state.project.analyze.adapter_path = {"dora.safetensors"};
  return state;
}

Action start_of(JobId job) {
  if (job == JobId::kTrain) return TrainAction(StartTraining{});
  if (job == JobId::kCompare) return CompareAction(StartCompare{});
  if (job == JobId::kConvert) return ConvertAction(StartConvert{});
  if (job == JobId::kAnalyze) return AnalyzeAction(StartAnalyze{});
  return ExportAction(StartMerge{});
}

std::string name_of(JobId job) {
  if (job == JobId::kTrain) return "The training";
  if (job == JobId::kCompare) return "The comparison";
  if (job == JobId::kConvert) return "The conversion";
  if (job == JobId::kAnalyze) return "The analysis";
  return "The merge";
}

TEST(HeavyJobs, ASecondOneIsRefusedWithAWordOnTheFirst) {
  for (const JobId running : kHeavyJobs) {
    for (const JobId wanted : kHeavyJobs) {
      if (wanted == running) continue;
      State state = ready_state();
      ASSERT_FALSE(reduce(state, start_of(running)).empty());
      reduce(state, running, StartedEvent{"", 150});
      reduce(state, running, StepEvent{40, 150, {}, 0, 0});
      EXPECT_TRUE(reduce(state, start_of(wanted)).empty());
      EXPECT_FALSE(state.jobs[wanted].active());
      ASSERT_EQ(state.log.notices.size(), 1u);
      const std::string text = state.log.notices[0].message.text;
      EXPECT_EQ(text.find(name_of(running)), 0u) << text;
      EXPECT_NE(text.find("40 of 150"), std::string::npos) << text;
      EXPECT_NE(text.find("stop it"), std::string::npos) << text;
      reduce(state, running, FinishedEvent{"done"});
      EXPECT_FALSE(reduce(state, start_of(wanted)).empty());
    }
  }
}

TEST(HeavyJobs, APausedTrainingKeepsTheMachine) {
  State state = ready_state();
  reduce(state, TrainAction(StartTraining{}));
  reduce(state, TrainAction(PauseTraining{}));
  EXPECT_TRUE(reduce(state, CompareAction(StartCompare{})).empty());
  EXPECT_NE(state.log.notices.at(0).message.text.find("is paused"), std::string::npos);
}

TEST(HeavyJobs, ARefusedDrawingOfAllLeavesThePicturesFresh) {
  State state = ready_state();
  draw_all(state);
  reduce(state, TrainAction(StartTraining{}));
  reduce(state, CompareAction(DrawAllAgain{}));
  const CompareGrid grid = compare_grid(drawn_request(state.project));
  EXPECT_TRUE(is_fresh(state.compare, grid, {0, 0}));
}

TEST(HeavyJobs, AStrengthThatMovesDuringATrainingOnlyMarksTheCells) {
  State state = ready_state();
  draw_all(state);
  reduce(state, CompareAction(SetColumnStrength{1, 0.6}));
  reduce(state, TrainAction(StartTraining{}));
  EXPECT_TRUE(reduce(state, CompareAction(ResampleDue{})).empty());
  EXPECT_TRUE(reduce(state, CompareAction(SetColumnStrength{1, 0.75})).empty());
  EXPECT_TRUE(state.log.notices.empty());
  const CompareGrid grid = compare_grid(drawn_request(state.project));
  EXPECT_FALSE(is_fresh(state.compare, grid, {0, 2}));
}

TEST(HeavyJobs, ReadingPicturesAndInspectingAreInNobodysWay) {
  State state = ready_state();
  reduce(state, TrainAction(StartTraining{}));
  EXPECT_FALSE(reduce(state, InspectAction(InspectFile{"dora.safetensors"})).empty());
  EXPECT_FALSE(reduce(state, DatasetAction(ReadDataset{})).empty());
}

TEST(HeavyJobs, EachWindowSaysWhatItWaitsFor) {
  State state = ready_state();
  reduce(state, TrainAction(StartTraining{}));
  for (const WindowId window : {WindowId::kCompare, WindowId::kExport, WindowId::kAnalyze}) {
    DeskHarness desk(state, view_of(window));
    desk.frames();
    const std::string text = desk.visible_text();
    EXPECT_NE(text.find("The training is running and needs the machine for itself"),
              std::string::npos)
        << text;
  }
  State merging = ready_state();
  reduce(merging, ExportAction(StartMerge{}));
  DeskHarness desk(merging, view_of(WindowId::kTrain));
  desk.frames();
  EXPECT_NE(desk.visible_text().find("The merge is running"), std::string::npos);
}

}  // namespace
}  // namespace dorabooth::heavy_jobs_ui_test
