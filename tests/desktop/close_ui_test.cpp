// Closing the program while a job runs: what is asked, and what becomes of the job.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/desktop/compare_state.h"
#include "tests/support/fixtures.h"
#include "ui/desktop/desk.h"

namespace dorabooth::close_ui_test {
namespace {

using testing::comparing_state;
using testing::DeskHarness;
using testing::draw_all;
using testing::TemporaryFolder;

State training_state() {
  State state = comparing_state();
  state.project.train.instance_data_dir = "my_dog";
  reduce(state, TrainAction(StartTraining{}));
  reduce(state, JobId::kTrain, StartedEvent{"train", 150});
  reduce(state, JobId::kTrain, StepEvent{40, 150, {}, 0, 0});
  return state;
}

template <typename T>
bool has(const Effects& effects) {
  return std::ranges::any_of(effects, [](const Effect& e) { return std::get_if<T>(&e); });
}

TEST(Close, WithoutAJobItClosesAtOnce) {
  State state = comparing_state();
  EXPECT_TRUE(has<CloseProgram>(reduce(state, AppAction(Quit{}))));
  EXPECT_EQ(state.closing, Closing::kNo);
}

TEST(Close, TheQuestionSaysWhatRunsAndWhatBecomesOfIt) {
  DeskHarness desk(training_state());
  desk.drive([](ImGuiTestContext* test) { test->KeyPress(ImGuiMod_Ctrl | ImGuiKey_Q); });
  EXPECT_FALSE(desk.last_effect<CloseProgram>());
  const std::string text = desk.visible_text();
  EXPECT_NE(text.find("The training is running (step 40 of 150)"), std::string::npos) << text;
  EXPECT_NE(text.find("saves a checkpoint first"), std::string::npos) << text;
  desk.drive(
      [](ImGuiTestContext* test) { test->ItemClick("//Close the program?/Stop and close"); });
  EXPECT_TRUE(desk.last_effect<StopJob>());
  EXPECT_FALSE(desk.last_effect<CloseProgram>());
  EXPECT_NE(desk.visible_text().find("closes as soon as it has stopped"), std::string::npos);
  EXPECT_TRUE(has<CloseProgram>(
      reduce(desk.state, JobId::kTrain, FinishedEvent{"stopped after 40 steps"})));
  EXPECT_TRUE(desk.state.project.unfinished_run);
}

TEST(Close, EscapeStaysOpenAndTheJobGoesOn) {
  DeskHarness desk(training_state());
  desk.drive([](ImGuiTestContext* test) {
    test->KeyPress(ImGuiMod_Ctrl | ImGuiKey_Q);
    test->Yield(3);
    test->KeyPress(ImGuiKey_Escape);
  });
  EXPECT_EQ(desk.state.closing, Closing::kNo);
  EXPECT_EQ(desk.state.jobs[JobId::kTrain].phase, JobState::Phase::kRunning);
  EXPECT_FALSE(has<CloseProgram>(reduce(desk.state, JobId::kTrain, FinishedEvent{"done"})));
}

TEST(Close, TheSafeAnswerIsTheOneUnderTheKey) {
  DeskHarness desk(training_state());
  desk.drive([](ImGuiTestContext* test) {
    test->KeyPress(ImGuiMod_Ctrl | ImGuiKey_Q);
    test->Yield(3);
    test->KeyPress(ImGuiKey_Enter);
  });
  EXPECT_EQ(desk.state.closing, Closing::kStopping);
}

TEST(Close, AJobThatIsWaitedForClosesTheProgramAtItsEnd) {
  DeskHarness desk(training_state());
  reduce(desk.state, TrainAction(PauseTraining{}));
  desk.drive([](ImGuiTestContext* test) {
    test->KeyPress(ImGuiMod_Ctrl | ImGuiKey_Q);
    test->Yield(3);
    test->ItemClick("//Close the program?/Close when it is done");
  });
  // A pause would never end.
  EXPECT_TRUE(desk.last_effect<ResumeJob>());
  EXPECT_NE(desk.visible_text().find("Closes when the work is done"), std::string::npos);
  EXPECT_TRUE(has<CloseProgram>(reduce(desk.state, JobId::kTrain, FinishedEvent{"trained"})));
}

TEST(Close, AFailureOfTheJobIsReadFirst) {
  for (const Action& answer :
       {Action(AppAction(StopAndQuit{})), Action(AppAction(QuitWhenDone{}))}) {
    State state = training_state();
    reduce(state, AppAction(Quit{}));
    reduce(state, answer);
    EXPECT_FALSE(has<CloseProgram>(reduce(state, JobId::kTrain, FailedEvent{"the disk is full"})));
    EXPECT_EQ(state.closing, Closing::kNo);
    EXPECT_EQ(state.log.notices.back().message.text, "the disk is full");
  }
}

TEST(Close, AJobThatEndsDuringTheQuestionLeavesTheChoice) {
  DeskHarness desk(training_state());
  reduce(desk.state, AppAction(Quit{}));
  EXPECT_FALSE(has<CloseProgram>(reduce(desk.state, JobId::kTrain, FinishedEvent{"trained"})));
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("//Close the program?/Close"); });
  EXPECT_TRUE(desk.last_effect<CloseProgram>());
}

TEST(Close, AStoppedComparisonIsNotStartedAgain) {
  State state = comparing_state();
  draw_all(state);
  reduce(state, CompareAction(SetColumnStrength{1, 0.75}));
  reduce(state, CompareAction(ResampleDue{}));
  reduce(state, CompareAction(SetColumnStrength{1, 0.8}));
  reduce(state, AppAction(Quit{}));
  reduce(state, AppAction(StopAndQuit{}));
  const Effects effects = reduce(state, JobId::kCompare, FinishedEvent{"stopped"});
  EXPECT_FALSE(has<RunCompare>(effects));
  EXPECT_TRUE(has<CloseProgram>(effects));
}

// Through the real job: the program is told to close only after the run has saved its state.
TEST(Close, TheRunIsStoppedBeforeTheProgramCloses) {
  const TemporaryFolder folder;
  State state = testing::state_in(folder.path());
  set_base(state.project, "sdxl-base");
  state.project.train.instance_data_dir = "my_dog";
  std::atomic<bool> saved = false;
  bool closed = false;
  Pipelines pipelines;
  pipelines.train = [&](const TrainConfig&, Progress& progress, std::stop_token stop) {
    TrainReport report;
    while (!stop.stop_requested()) progress.on(StepEvent{++report.steps, 0, {}, 0, 0});
    saved = true;
    report.stopped = true;
    return report;
  };
  WindowCalls window;
  window.close = [&] {
    EXPECT_TRUE(saved);
    closed = true;
  };
  Desk desk(state, pipelines, window, nullptr);
  desk.act(TrainAction(StartTraining{}));
  desk.act(AppAction(Quit{}));
  EXPECT_FALSE(closed);
  desk.act(AppAction(StopAndQuit{}));
  for (int i = 0; i < 5000 && !closed; ++i) {
    desk.advance(i);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_TRUE(closed);
  EXPECT_TRUE(desk.state().project.unfinished_run);
}

}  // namespace
}  // namespace dorabooth::close_ui_test
