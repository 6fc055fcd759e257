// Actions and events through reduce(), without any drawing.
#include "ui/desktop/reduce.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "src/base/atomic_file.h"
#include "tests/desktop/desk_harness.h"

namespace dorabooth::reduce_ui_test {
namespace {

using testing::state_in;

SetField edit(const std::string& field, const nlohmann::json& value) {
  return {FormId::kTrain, field, value};
}

State ready_state() {
  State state = state_in("/home/ann");
  set_base(state.project, "sdxl-base");
  state.project.train.instance_data_dir = "my_dog";
  return state;
}

TEST(Reduce, TheBaseIsOneForAllWindows) {
  State state;
  reduce(state, FormAction(edit("pretrained_model_name_or_path", "sdxl-base")));
  EXPECT_EQ(state.project.compare.pretrained_model_name_or_path, "sdxl-base");
  EXPECT_EQ(state.project.merge.pretrained_model_name_or_path, "sdxl-base");
}

TEST(Reduce, AnUnknownFieldIsRefusedWithTheNearestName) {
  State state;
  reduce(state, FormAction(edit("rnak", 8)));
  EXPECT_NE(state.form(FormId::kTrain).refused.at("rnak").message.find("'rank'"),
            std::string::npos);
}

TEST(Reduce, TrainingWithoutPicturesSaysWhatIsMissing) {
  State state;
  set_base(state.project, "sdxl-base");
  EXPECT_TRUE(reduce(state, TrainAction(StartTraining{})).empty());
  ASSERT_EQ(state.log.notices.size(), 1u);
  EXPECT_NE(state.log.notices[0].message.text.find("folder of pictures"), std::string::npos);
  reduce(state, AppAction(DismissNotice{state.log.notices[0].id}));
  EXPECT_TRUE(state.log.notices.empty());
  EXPECT_EQ(state.log.messages.size(), 1u);
}

TEST(Reduce, ARunIsUnfinishedUntilItFinishes) {
  State state = ready_state();
  const Effects effects = reduce(state, TrainAction(StartTraining{}));
  ASSERT_EQ(effects.size(), 1u);
  ASSERT_TRUE(state.project.unfinished_run);
  EXPECT_EQ(state.project.unfinished_run->output_dir, state.project.train.output_dir);
  reduce(state, JobId::kTrain, FinishedEvent{"trained 150 steps"});
  EXPECT_EQ(state.jobs[JobId::kTrain].phase, JobState::Phase::kFinished);
  EXPECT_FALSE(state.project.unfinished_run);
}

TEST(Reduce, AStoppedOrFailedRunStaysUnfinished) {
  State state = ready_state();
  reduce(state, TrainAction(StartTraining{}));
  reduce(state, TrainAction(StopTraining{}));
  reduce(state, JobId::kTrain, FinishedEvent{"stopped after 3 steps"});
  EXPECT_EQ(state.jobs[JobId::kTrain].phase, JobState::Phase::kStopped);
  EXPECT_TRUE(state.project.unfinished_run);
  reduce(state, TrainAction(ContinueRun{}));
  reduce(state, JobId::kTrain, FailedEvent{"the disk is full"});
  EXPECT_EQ(state.jobs[JobId::kTrain].phase, JobState::Phase::kFailed);
  EXPECT_TRUE(state.project.unfinished_run);
  EXPECT_EQ(state.log.notices.back().message.text, "the disk is full");
}

TEST(Reduce, OnlyOneTrainingAtATime) {
  State state = ready_state();
  EXPECT_EQ(reduce(state, TrainAction(StartTraining{})).size(), 1u);
  EXPECT_TRUE(reduce(state, TrainAction(StartTraining{})).empty());
}

TEST(Reduce, StepsBecomeCurves) {
  State state = ready_state();
  reduce(state, TrainAction(StartTraining{}));
  for (int step = 1; step <= 3; ++step)
    reduce(state, JobId::kTrain, StepEvent{step, 3, {{"loss/dora", 1.0 / step}}, 1, 2});
  const Curve& curve = state.train.curves.at("loss/dora");
  EXPECT_EQ(curve.steps, (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(curve.values[1], 0.5);
  EXPECT_EQ(state.jobs[JobId::kTrain].step, 3);
}

TEST(Reduce, TheBundledRunHasPathsThatExist) {
  State state = state_in("/home/ann");
  const Effects effects = reduce(state, StartAction(TryBundled{}));
  for (const Effect& effect : effects) {
    const auto& load = std::get<LoadText>(effect);
    reduce(state, FileAction(TextLoaded{load.use, load.path, read_file(load.path)}));
  }
  EXPECT_EQ(state.project.compare.prompt.size(), 8u);
  const TrainConfig& train = state.project.train;
  EXPECT_TRUE(std::filesystem::exists(train.pretrained_model_name_or_path));
  EXPECT_TRUE(std::filesystem::exists(train.instance_data_dir));
  EXPECT_EQ(train.output_dir, "/home/ann/results/quickstart");
  EXPECT_EQ(train.max_train_steps, 400);
  EXPECT_EQ(state.project.compare.pretrained_model_name_or_path,
            train.pretrained_model_name_or_path);
  EXPECT_EQ(state.focus, WindowId::kTrain);
  EXPECT_TRUE(state.log.notices.empty());
}

TEST(Reduce, AConfigThatIsNotOneIsReportedAndChangesNothing) {
  State state = ready_state();
  reduce(state, FileAction(TextLoaded{TextUse::kTrainConfig, "a.json", "{\"rnak\": 8}"}));
  reduce(state, FileAction(TextLoaded{TextUse::kTrainConfig, "b.json", "no"}));
  EXPECT_EQ(state.project.train.instance_data_dir, "my_dog");
  ASSERT_EQ(state.log.notices.size(), 2u);
  EXPECT_NE(state.log.notices[0].message.text.find("a.json: unknown key 'rnak'"),
            std::string::npos);
  EXPECT_NE(state.log.notices[1].message.text.find("b.json"), std::string::npos);
}

TEST(Reduce, DroppedFilesGoWhereTheyBelong) {
  State state = state_in("/home/ann");
  Effects effects = reduce(state, FileAction(FilesDropped{{"/a/dora.safetensors"}}));
  EXPECT_EQ(std::get<RunInspect>(effects.at(0)).request.path, "/a/dora.safetensors");
  EXPECT_EQ(state.focus, WindowId::kInspect);
  effects = reduce(state, FileAction(FilesDropped{{"/a/my_dog"}}));
  EXPECT_EQ(std::get<LookAtFolder>(effects.at(0)).folder, "/a/my_dog");
  effects = reduce(state, FileAction(FolderLooked{"/a/my_dog", false}));
  EXPECT_EQ(std::get<RunSurvey>(effects.at(0)).request.instance_data_dir, "/a/my_dog");
  EXPECT_EQ(state.project.train.instance_data_dir, "/a/my_dog");
}

TEST(Reduce, ADroppedPictureThatIsNotOursBringsItsFolder) {
  State state = state_in("/home/ann");
  Effects effects = reduce(
      state, FileAction(FilesDropped{{"/a/my_dog/2.JPG", "/a/my_dog/3.png", "/a/my_dog/4.webp"}}));
  ASSERT_EQ(effects.size(), 1u);  // one folder
  EXPECT_EQ(std::get<LookAtPicture>(effects[0]).path, "/a/my_dog/2.JPG");
  effects = reduce(state, FileAction(ForeignPictureFound{"/a/my_dog/2.JPG", "2.JPG: is not ours"}));
  EXPECT_EQ(std::get<RunSurvey>(effects.at(0)).request.instance_data_dir, "/a/my_dog");
  EXPECT_EQ(state.project.train.instance_data_dir, "/a/my_dog");
  EXPECT_EQ(state.dataset.selected, "/a/my_dog/2.JPG");
  EXPECT_EQ(state.focus, WindowId::kDataset);
  ASSERT_EQ(state.log.notices.size(), 1u);
  EXPECT_EQ(state.log.notices[0].message.text,
            "/a/my_dog/2.JPG was not drawn by this program: its folder is now the folder of "
            "pictures to train on. Ctrl+Z takes that back.");
  reduce(state, AppAction(UndoEdit{}));
  EXPECT_EQ(state.project.train.instance_data_dir, "");
}

TEST(Reduce, ThePickerAnswersAsADialogDoes) {
  State state = state_in("/home/ann");
  FileQuestion question;
  question.field = "instance_data_dir";
  question.kind = FileQuestionKind::kOpenFolder;
  Effects effects = reduce(state, FileAction(PickerOpened{question}));
  EXPECT_EQ(std::get<ListFolder>(effects.at(0)).folder, "/home/ann");
  reduce(state, FileAction(FolderListed{"/home/ann", {{"my_dog", true}}}));
  EXPECT_EQ(state.picker.entries.size(), 1u);
  reduce(state, FileAction(PickerName{"my_dog"}));
  reduce(state, FileAction(PickerClosed{true}));
  EXPECT_EQ(state.project.train.instance_data_dir, "/home/ann/my_dog");
  EXPECT_FALSE(state.picker.question);
}

TEST(Undo, EditsOfOneFieldAreOneStepUntilItIsLeft) {
  State state = ready_state();
  for (const int rank : {8, 16}) reduce(state, FormAction(edit("rank", rank)));
  reduce(state, FormAction(EndEdit{}));
  reduce(state, FormAction(edit("rank", 32)));
  reduce(state, FormAction(edit("learning_rate", 1e-3)));
  reduce(state, AppAction(UndoEdit{}));
  EXPECT_EQ(state.project.train.learning_rate, TrainConfig().learning_rate);
  EXPECT_EQ(state.project.train.rank, 32);
  reduce(state, AppAction(UndoEdit{}));
  EXPECT_EQ(state.project.train.rank, 16);
  reduce(state, AppAction(UndoEdit{}));
  EXPECT_EQ(state.project.train.rank, 4);
  EXPECT_FALSE(state.undo.can_undo());
  reduce(state, AppAction(RedoEdit{}));
  EXPECT_EQ(state.project.train.rank, 16);
  reduce(state, FormAction(edit("rank", 64)));
  EXPECT_FALSE(state.undo.can_redo());
}

TEST(Undo, LeavesTheBookkeepingOfARunAlone) {
  State state = ready_state();
  reduce(state, FormAction(edit("rank", 8)));
  reduce(state, TrainAction(StartTraining{}));
  reduce(state, AppAction(UndoEdit{}));
  EXPECT_EQ(state.project.train.rank, 4);
  EXPECT_TRUE(state.project.unfinished_run);
  EXPECT_FALSE(state.undo.can_undo());
}

TEST(Undo, ARefusedEditIsNoStep) {
  State state = ready_state();
  reduce(state, FormAction(edit("rank", 0)));
  EXPECT_FALSE(state.undo.can_undo());
}

}  // namespace
}  // namespace dorabooth::reduce_ui_test
