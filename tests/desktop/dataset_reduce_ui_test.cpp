// The Dataset window's actions through reduce(): survey, selection, edits and their undo.
#include <gtest/gtest.h>

#include "tests/desktop/dataset_state.h"
#include "ui/desktop/crop_drag.h"

namespace dorabooth::dataset_reduce_ui_test {
namespace {

using testing::dataset_state;
using testing::select_picture;

template <typename T>
const T* effect_as(const Effects& effects) {
  for (const Effect& effect : effects) {
    if (const T* one = std::get_if<T>(&effect)) return one;
  }
  return nullptr;
}

TEST(DatasetReduce, ASurveyHasTheSettingsOfTheRun) {
  State state = testing::state_in("/home/ann");
  EXPECT_TRUE(reduce(state, DatasetAction(ReadDataset{})).empty());
  state.project.train.instance_data_dir = "my_dog";
  state.project.train.resolution = 512;
  const Effects effects = reduce(state, DatasetAction(ReadDataset{}));
  ASSERT_TRUE(effect_as<RunSurvey>(effects));
  EXPECT_EQ(effect_as<RunSurvey>(effects)->request, survey_request_of(state.project.train));
  EXPECT_EQ(effect_as<RunSurvey>(effects)->request.resolution, 512);
}

TEST(DatasetReduce, OtherSettingsStopASurveyAndAStoppedOneChangesNothing) {
  State state = dataset_state();
  reduce(state, DatasetAction(ReadDataset{}));
  EXPECT_TRUE(reduce(state, DatasetAction(ReadDataset{})).empty());
  state.project.train.resolution = 32;
  EXPECT_TRUE(effect_as<StopJob>(reduce(state, DatasetAction(ReadDataset{}))));
  EXPECT_TRUE(reduce(state, DatasetAction(ReadDataset{})).empty());
  DatasetReport report;
  report.stopped = true;
  reduce(state, DatasetAction(DatasetSurveyed{state.dataset.request, report}));
  EXPECT_EQ(state.dataset.report->pictures.size(), 3u);
  reduce(state, JobId::kDataset, FinishedEvent{"stopped"});
  EXPECT_TRUE(effect_as<RunSurvey>(reduce(state, DatasetAction(ReadDataset{}))));
}

TEST(DatasetReduce, AnotherFolderForgetsThePictures) {
  State state = dataset_state();
  EXPECT_EQ(state.dataset.thumbnails.size(), 3u);
  const Effects effects = reduce(state, StartAction(ChooseDataset{"my_cat"}));
  EXPECT_EQ(effect_as<RunSurvey>(effects)->request.instance_data_dir, "my_cat");
  EXPECT_FALSE(state.dataset.report);
  EXPECT_TRUE(state.dataset.thumbnails.empty());
}

TEST(DatasetReduce, TheSelectedPictureIsEnlarged) {
  State state = dataset_state();
  EXPECT_EQ(state.dataset.selected, "/home/ann/my_dog/a.png");
  const std::string path = "/home/ann/my_dog/b.png";
  const Effects effects = reduce(state, DatasetAction(SelectPicture{path}));
  EXPECT_EQ(effect_as<EnlargePicture>(effects)->path, path);
  reduce(state, DatasetAction(PictureEnlarged{"/other.png", std::make_shared<const Image>(2, 2)}));
  EXPECT_FALSE(state.dataset.enlarged);
  reduce(state, DatasetAction(PictureEnlarged{path, std::make_shared<const Image>(2, 2)}));
  EXPECT_TRUE(state.dataset.enlarged);
}

TEST(DatasetReduce, ACaptionIsSavedWhenItsFieldIsLeftAndUndone) {
  State state = dataset_state();
  select_picture(state, "c.png");
  reduce(state, DatasetAction(TypeCaption{"my dog"}));
  reduce(state, DatasetAction(TypeCaption{"my dog Max"}));
  Effects effects = reduce(state, DatasetAction(EndCaption{}));
  EXPECT_EQ(effect_as<SavePictureEdit>(effects)->edit.caption, "my dog Max");
  EXPECT_EQ(effect_as<SavePictureEdit>(effects)->edit.name, "c.png");
  EXPECT_TRUE(reduce(state, DatasetAction(EndCaption{})).empty());
  effects = reduce(state, AppAction(UndoEdit{}));
  EXPECT_EQ(effect_as<SavePictureEdit>(effects)->edit.caption, "my dog Rex");
  effects = reduce(state, AppAction(RedoEdit{}));
  EXPECT_EQ(effect_as<SavePictureEdit>(effects)->edit.caption, "my dog Max");
}

TEST(DatasetReduce, AnotherSelectionSavesWhatWasTyped) {
  State state = dataset_state();
  reduce(state, DatasetAction(TypeCaption{"a brown dog"}));
  const Effects effects = reduce(state, DatasetAction(SelectPicture{"/home/ann/my_dog/b.png"}));
  EXPECT_EQ(effect_as<SavePictureEdit>(effects)->edit.name, "a.png");
  EXPECT_FALSE(state.dataset.typed_caption);
}

TEST(DatasetReduce, ACropIsSavedWhenItIsLetGoResetAndUndone) {
  State state = dataset_state();
  reduce(state, DatasetAction(DragCrop{{5, 0, 200, 200}}));
  reduce(state, DatasetAction(DragCrop{{9, 0, 200, 200}}));
  Effects effects = reduce(state, DatasetAction(EndCrop{}));
  EXPECT_EQ(effect_as<SavePictureEdit>(effects)->edit.crop, (CropRectangle{9, 0, 200, 200}));
  effects = reduce(state, DatasetAction(ResetCrop{}));
  EXPECT_EQ(effect_as<SavePictureEdit>(effects)->edit.crop, std::nullopt);
  EXPECT_TRUE(reduce(state, DatasetAction(ResetCrop{})).empty());
  effects = reduce(state, AppAction(UndoEdit{}));
  EXPECT_EQ(effect_as<SavePictureEdit>(effects)->edit.crop, (CropRectangle{9, 0, 200, 200}));
  effects = reduce(state, AppAction(UndoEdit{}));
  EXPECT_EQ(effect_as<SavePictureEdit>(effects)->edit.crop, std::nullopt);
  EXPECT_FALSE(state.undo.can_undo());
}

TEST(DatasetReduce, EditsOfPicturesAndSettingsAreUndoneInTheirOrder) {
  State state = dataset_state();
  reduce(state, FormAction(SetField{FormId::kTrain, "rank", 8}));
  reduce(state, DatasetAction(TypeCaption{"x"}));
  reduce(state, DatasetAction(EndCaption{}));
  reduce(state, FormAction(SetField{FormId::kTrain, "rank", 16}));
  EXPECT_TRUE(reduce(state, AppAction(UndoEdit{})).empty());
  EXPECT_EQ(state.project.train.rank, 8);
  EXPECT_TRUE(effect_as<SavePictureEdit>(reduce(state, AppAction(UndoEdit{}))));
  EXPECT_EQ(state.project.train.rank, 8);
  reduce(state, AppAction(UndoEdit{}));
  EXPECT_EQ(state.project.train.rank, 4);
}

TEST(DatasetReduce, WhatAnEditMadeOfAPictureKeepsTheFaultsOfItsFile) {
  State state = dataset_state();
  SurveyedPicture edited = testing::surveyed("b.png", 20, 30);
  edited.caption = "new";
  reduce(state, DatasetAction(PictureEdited{edited}));
  const SurveyedPicture& b = state.dataset.report->pictures[1];
  EXPECT_EQ(b.caption, "new");
  ASSERT_EQ(b.warnings.size(), 1u);
  EXPECT_EQ(b.warnings[0].fault, PictureFault::kDuplicate);
}

TEST(DatasetReduce, AnEditDuringASurveyOutlivesIt) {
  State state = dataset_state();
  const DatasetReport before = *state.dataset.report;
  reduce(state, DatasetAction(ReadDataset{}));
  SurveyedPicture edited = before.pictures[0];
  edited.caption = "new";
  reduce(state, DatasetAction(PictureEdited{edited}));
  reduce(state, DatasetAction(DatasetSurveyed{state.dataset.request, before}));
  EXPECT_EQ(state.dataset.report->pictures[0].caption, "new");
}

TEST(CropDrag, AMovedCropStaysInside) {
  const CropRectangle crop{10, 10, 50, 50};
  EXPECT_EQ(moved_crop(crop, 20, 5, {100, 80}), (CropRectangle{20, 5, 50, 50}));
  EXPECT_EQ(moved_crop(crop, -3, 99, {100, 80}), (CropRectangle{0, 30, 50, 50}));
}

TEST(CropDrag, AResizedCropKeepsItsProportionsAndTheOtherCorner) {
  const CropRectangle crop{20, 20, 40, 40};
  EXPECT_EQ(resized_crop(crop, CropCorner::kRightBottom, 80, 50, 1, {100, 90}),
            (CropRectangle{20, 20, 60, 60}));
  EXPECT_EQ(resized_crop(crop, CropCorner::kRightBottom, 500, 50, 1, {100, 90}),
            (CropRectangle{20, 20, 70, 70}));
  EXPECT_EQ(resized_crop(crop, CropCorner::kLeftTop, 10, 30, 1, {100, 90}),
            (CropRectangle{10, 10, 50, 50}));
  EXPECT_EQ(resized_crop(crop, CropCorner::kRightTop, 0, 100, 1, {100, 90}),
            (CropRectangle{20, 44, 16, 16}));
  EXPECT_EQ(resized_crop(crop, CropCorner::kLeftBottom, 0, 80, 2, {100, 90}),
            (CropRectangle{0, 20, 60, 30}));
}

}  // namespace
}  // namespace dorabooth::dataset_reduce_ui_test
