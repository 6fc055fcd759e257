// The Train window: controls by the state of the job, plots, the command line.
#include "ui/desktop/views/train.h"

#include <gtest/gtest.h>

#include "tests/desktop/desk_harness.h"

namespace dorabooth {
namespace {

using testing::DeskHarness;
using testing::state_in;

State ready_state() {
  State state = state_in("/home/ann");
  set_base(state.project, "sdxl-base");
  state.project.train.instance_data_dir = "my_dog";
  return state;
}

TEST(TrainView, StartsPausesResumesAndStops) {
  DeskHarness desk(ready_state(), draw_train);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Start"); });
  ASSERT_TRUE(desk.last_effect<RunTraining>());
  EXPECT_EQ(desk.last_effect<RunTraining>()->config.instance_data_dir, "my_dog");
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Pause"); });
  EXPECT_TRUE(desk.last_effect<PauseJob>());
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Resume"); });
  EXPECT_TRUE(desk.last_effect<ResumeJob>());
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Stop"); });
  EXPECT_TRUE(desk.last_effect<StopJob>());
  EXPECT_NE(desk.visible_text().find("stopping after this step"), std::string::npos);
}

TEST(TrainView, ShowsTheRunAndItsCurves) {
  State state = ready_state();
  reduce(state, TrainAction(StartTraining{}));
  for (int step = 1; step <= 40; ++step) {
    reduce(state, JobId::kTrain,
           StepEvent{step,
                     150,
                     {{"loss/lora", 1.0 / step},
                      {"loss/dora", 2.0 / step},
                      {"lr", 1e-4},
                      {"grad_norm", 0.1}},
                     0.5,
                     55});
  }
  DeskHarness desk(state, draw_train);
  desk.drive([](ImGuiTestContext* test) {
    test->ItemClick("**/Log scale");
    test->ItemInputValue("**/Smoothing", 0.5F);
  });
  EXPECT_TRUE(desk.state.train.log_scale);
  EXPECT_FLOAT_EQ(static_cast<float>(desk.state.train.smoothing), 0.5F);
  const std::string text = desk.visible_text();
  EXPECT_NE(text.find("running, step 40 of 150, 0.5 s each, 0:55 left"), std::string::npos) << text;
}

TEST(TrainView, CopiesTheCommandWithTheChangedFlagsOnly) {
  State state = ready_state();
  state.project.train.output_dir = TrainConfig().output_dir;
  state.project.train.rank = 8;
  DeskHarness desk(state, draw_train);
  desk.drive([](ImGuiTestContext* test) {
    test->ItemClick("**/Command line");
    test->ItemClick("**/Copy command");
  });
  EXPECT_EQ(desk.last_effect<CopyToClipboard>()->text,
            "dorabooth train --pretrained_model_name_or_path sdxl-base --instance_data_dir my_dog "
            "--rank 8");
}

TEST(TrainView, AnUnfinishedRunGoesOn) {
  State state = ready_state();
  state.project.unfinished_run.emplace(state.project.train).output_dir = "/home/ann/results/dog";
  DeskHarness desk(state, draw_train);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Continue the run"); });
  EXPECT_EQ(desk.last_effect<RunTraining>()->config.output_dir, "/home/ann/results/dog");
  EXPECT_EQ(desk.last_effect<RunTraining>()->config.resume_from_checkpoint, "latest");
}

TEST(TrainView, AnUnfinishedRunIsForgotten) {
  State state = ready_state();
  state.project.unfinished_run.emplace(state.project.train).output_dir = "/home/ann/results/dog";
  DeskHarness desk(state, draw_train);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Forget it"); });
  EXPECT_FALSE(desk.state.project.unfinished_run);
}

TEST(TrainView, SettingsRestWhileARunIsOn) {
  DeskHarness desk(ready_state(), draw_train);
  desk.drive([](ImGuiTestContext* test) {
    test->ItemClick("**/Start");
    const ImGuiTestItemInfo item = test->ItemInfo("**/Changed only");
    IM_CHECK(item.ItemFlags & ImGuiItemFlags_Disabled);
  });
}

}  // namespace
}  // namespace dorabooth
