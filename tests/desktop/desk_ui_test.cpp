// The program without its window: jobs, files and dialogs bring their results back as actions.
#include "ui/desktop/desk.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "src/base/atomic_file.h"
#include "tests/desktop/desk_harness.h"
#include "tests/support/fixtures.h"

namespace dorabooth::desk_ui_test {
namespace {

using testing::state_in;
using testing::TemporaryFolder;

// A run of ten steps that can be stopped, and knows nothing of models.
TrainReport count_to_ten(const TrainConfig& config, Progress& progress, std::stop_token stop) {
  TrainReport report;
  progress.on(StartedEvent{"train", 10});
  while (report.steps < 10 && !stop.stop_requested())
    progress.on(StepEvent{++report.steps, 10, {{"loss/lora", 1.0}}, 0.1, 0});
  report.stopped = report.steps < 10;
  report.adapters = {{"lora", config.output_dir + "/lora", 1.0}};
  return report;
}

Pipelines test_pipelines() {
  Pipelines pipelines;
  pipelines.train = count_to_ten;
  pipelines.inspect = [](const InspectRequest& request, Progress&, std::stop_token) {
    if (request.path == "bad") throw std::runtime_error("bad: not a safetensors file");
    return InspectReport{"adapter", "a DoRA", {}, {}, {}, ""};
  };
  pipelines.survey = [](const SurveyRequest& request, Progress& progress, std::stop_token) {
    DatasetReport report;
    SurveyedPicture picture;
    picture.path = request.instance_data_dir + "/1.png";
    progress.on(PreviewEvent{0, 0, picture.path, "", Image(4, 4)});
    report.pictures = {picture};
    return report;
  };
  pipelines.picture_preview = [](const std::string&, int64_t) { return Image(8, 8); };
  pipelines.edit_picture = [](const SurveyRequest& request, const PictureEdit& edit) {
    if (edit.caption == "bad") throw std::runtime_error("the disk is full");
    SurveyedPicture picture;
    picture.path = request.instance_data_dir + "/1.png";
    picture.own_caption = picture.caption = edit.caption;
    return picture;
  };
  return pipelines;
}

template <typename Condition>
bool advance_until(Desk& desk, Condition condition) {
  for (int i = 0; i < 5000; ++i) {
    desk.advance(i);
    if (condition(desk.state())) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

State ready_state(const std::string& folder) {
  State state = state_in(folder);
  set_base(state.project, "sdxl-base");
  state.project.train.instance_data_dir = "my_dog";
  return state;
}

TEST(Desk, ARunIsFollowedToItsEnd) {
  const TemporaryFolder folder;
  Desk desk(ready_state(folder.path()), test_pipelines(), {}, nullptr);
  desk.act(TrainAction(StartTraining{}));
  ASSERT_TRUE(advance_until(desk, [](const State& state) {
    return state.jobs[JobId::kTrain].phase == JobState::Phase::kFinished;
  }));
  EXPECT_EQ(desk.state().train.curves.at("loss/lora").steps.back(), 10);
  EXPECT_FALSE(desk.state().project.unfinished_run);
}

TEST(Desk, APausedRunStandsStillAndItsStopLeavesItUnfinished) {
  const TemporaryFolder folder;
  Pipelines pipelines = test_pipelines();
  pipelines.train = [](const TrainConfig&, Progress& progress, std::stop_token stop) {
    TrainReport report;
    while (!stop.stop_requested()) progress.on(StepEvent{++report.steps, 0, {}, 0, 0});
    report.stopped = true;
    return report;
  };
  Desk desk(ready_state(folder.path()), pipelines, {}, nullptr);
  desk.act(TrainAction(StartTraining{}));
  desk.act(TrainAction(PauseTraining{}));
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  desk.advance(0);
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_FALSE(desk.advance(0.1));
  EXPECT_EQ(desk.state().jobs[JobId::kTrain].phase, JobState::Phase::kPaused);
  desk.act(TrainAction(StopTraining{}));
  EXPECT_TRUE(advance_until(desk, [](const State& state) {
    return state.jobs[JobId::kTrain].phase == JobState::Phase::kStopped;
  }));
  EXPECT_TRUE(desk.state().project.unfinished_run);
}

TEST(Desk, AFailureIsANotice) {
  const TemporaryFolder folder;
  Desk desk(state_in(folder.path()), test_pipelines(), {}, nullptr);
  desk.act(InspectAction(InspectFile{"bad"}));
  ASSERT_TRUE(advance_until(desk, [](const State& s) { return !s.log.notices.empty(); }));
  EXPECT_EQ(desk.state().log.notices[0].message.text, "bad: not a safetensors file");
}

TEST(Desk, ResultsOfJobsArrive) {
  const TemporaryFolder folder;
  Desk desk(state_in(folder.path()), test_pipelines(), {}, nullptr);
  desk.act(InspectAction(InspectFile{"dora.safetensors"}));
  desk.act(StartAction(ChooseDataset{"my_dog"}));
  ASSERT_TRUE(advance_until(desk, [](const State& state) {
    return !state.inspect.summary.empty() && state.dataset.enlarged;
  }));
  EXPECT_EQ(desk.state().inspect.summary, "a DoRA");
  EXPECT_EQ(desk.state().dataset.selected, "my_dog/1.png");
  EXPECT_EQ(desk.state().dataset.enlarged->width, 8);
  EXPECT_EQ(desk.state().dataset.thumbnails.size(), 1u);
}

TEST(Desk, AnEditOfAPictureComesBackAndOneThatFailsIsReported) {
  const TemporaryFolder folder;
  Desk desk(state_in(folder.path()), test_pipelines(), {}, nullptr);
  desk.act(StartAction(ChooseDataset{"my_dog"}));
  ASSERT_TRUE(advance_until(desk, [](const State& state) { return state.dataset.enlarged; }));
  desk.act(DatasetAction(TypeCaption{"a dog"}));
  desk.act(DatasetAction(EndCaption{}));
  ASSERT_TRUE(advance_until(desk, [](const State& state) {
    return state.dataset.report->pictures[0].caption == "a dog";
  }));
  desk.act(DatasetAction(TypeCaption{"bad"}));
  desk.act(DatasetAction(EndCaption{}));
  ASSERT_TRUE(advance_until(desk, [](const State& s) { return !s.log.notices.empty(); }));
  EXPECT_EQ(desk.state().log.notices[0].message.text, "the disk is full");
  // The folder is read again.
  EXPECT_FALSE(desk.state().dataset.request == survey_request_of(desk.state().project.train));
}

TEST(Desk, SavesTheProjectByItselfAndAtTheEnd) {
  const TemporaryFolder folder;
  const State initial = state_in(folder.path());
  const std::string path = initial.project_path;
  {
    Desk desk(initial, test_pipelines(), {}, nullptr);
    desk.act(FormAction(SetField{FormId::kTrain, "rank", 8}));
    ASSERT_TRUE(advance_until(desk, [&](const State&) { return std::filesystem::exists(path); }));
    desk.act(FormAction(SetField{FormId::kTrain, "rank", 16}));
  }
  EXPECT_EQ(restore_state(initial.places, "").project.train.rank, 16);
}

TEST(Desk, ARunIsInTheSavedProjectBeforeItStarts) {
  const TemporaryFolder folder;
  const State initial = ready_state(folder.path());
  Pipelines pipelines = test_pipelines();
  pipelines.train = [](const TrainConfig&, Progress& progress, std::stop_token stop) {
    while (!stop.stop_requested()) progress.on(StepEvent{});
    return TrainReport{};
  };
  Desk desk(initial, pipelines, {}, nullptr);
  desk.advance(10);
  desk.act(TrainAction(StartTraining{}));
  bool saved = false;
  for (int i = 0; i < 5000 && !saved; ++i) {
    desk.advance(10);  // the time between two saves does not pass
    saved = restore_state(initial.places, "").project.unfinished_run.has_value();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_TRUE(saved);
}

TEST(Desk, ASaveThatFailsIsReported) {
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "config", "a file where the folder should be");
  Desk desk(state_in(folder.path()), test_pipelines(), {}, nullptr);
  desk.act(FormAction(SetField{FormId::kTrain, "rank", 8}));
  EXPECT_TRUE(advance_until(desk, [](const State& s) { return !s.log.notices.empty(); }));
}

TEST(Desk, WithoutASystemDialogThePickerAsks) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder.path() / "my_dog");
  Desk desk(state_in(folder.path()), test_pipelines(), {}, nullptr);
  FileQuestion question;
  question.kind = FileQuestionKind::kOpenFolder;
  question.field = "instance_data_dir";
  desk.act(FileAction(AskForFile{question}));
  ASSERT_TRUE(advance_until(desk, [](const State& s) { return !s.picker.entries.empty(); }));
  EXPECT_EQ(desk.state().picker.entries[0].name, "my_dog");
  EXPECT_TRUE(desk.state().picker.entries[0].folder);
}

}  // namespace
}  // namespace dorabooth::desk_ui_test
