// The Dataset window: each part of it, by mouse and by key.
#include "ui/desktop/views/dataset.h"

#include <gtest/gtest.h>
#include <imgui_internal.h>

#include "tests/desktop/dataset_state.h"

namespace dorabooth::dataset_view_ui_test {
namespace {

using testing::dataset_state;
using testing::DeskHarness;
using testing::select_picture;
using testing::state_in;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(DatasetView, WithoutAFolderItSaysWhatToDo) {
  DeskHarness desk(state_in("/home/ann"), draw_dataset);
  EXPECT_TRUE(contains(desk.visible_text(), "Drop a folder of pictures"));
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("Choose a folder..."); });
  EXPECT_EQ(desk.last<AskForFile>()->question.field, "instance_data_dir");
  EXPECT_EQ(desk.last<AskForFile>()->question.kind, FileQuestionKind::kOpenFolder);
}

TEST(DatasetView, TellsTheSizesThatPicturesAreTrainedAt) {
  State state = dataset_state();
  {
    DeskHarness square(state, draw_dataset);
    EXPECT_FALSE(contains(square.visible_text(), " sizes: "));
  }
  state.dataset.report->buckets = {{64, 64, 2, 1}, {128, 32, 1, 1}};
  state.dataset.report->pictures[0].bucket_width = 128;
  state.dataset.report->pictures[0].bucket_height = 32;
  state.dataset.report->pictures[0].area_lost = 0.26;
  DeskHarness desk(state, draw_dataset);
  EXPECT_TRUE(contains(desk.visible_text(), "2 sizes: 64x64 (2), 128x32 (1)"));
  select_picture(desk.state, "a.png");
  EXPECT_TRUE(contains(desk.visible_text(), "Trained at 128x32; 26 % of the area is cut off."))
      << desk.visible_text();
}

TEST(DatasetView, ReadsTheFolderOnceWhenItIsSeen) {
  State state = state_in("/home/ann");
  state.project.train.instance_data_dir = "my_dog";
  DeskHarness desk(state, draw_dataset);
  desk.frames(5);
  EXPECT_EQ(desk.effects.size(), 1u);
  EXPECT_EQ(desk.last_effect<RunSurvey>()->request.instance_data_dir, "my_dog");
  reduce(desk.state, JobId::kDataset, FailedEvent{"no picture in my_dog"});
  EXPECT_TRUE(contains(desk.visible_text(), "The folder cannot be used: no picture in my_dog"));
  desk.frames(5);
  EXPECT_EQ(desk.effects.size(), 1u);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("Read again"); });
  EXPECT_EQ(desk.effects.size(), 2u);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("Stop reading"); });
  EXPECT_TRUE(desk.last_effect<StopJob>());
}

TEST(DatasetView, ShowsPicturesWarningsAndFacts) {
  DeskHarness desk(dataset_state(), draw_dataset);
  const std::string text = desk.visible_text();
  for (const char* part : {"a.png", "b.png", "c.png", "! too small, duplicate", "1 of 3",
                           "400x200 pixels", "Used: 200x200 at 100, 0"})
    EXPECT_TRUE(contains(text, part)) << part << "\n" << text;
  EXPECT_TRUE(desk.effects.empty());
  EXPECT_GE(desk.textures.size(), 3u);
}

TEST(DatasetView, AClickSelectsAndArrowsMoveTheSelection) {
  DeskHarness desk(dataset_state(), draw_dataset);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/##b.png"); });
  EXPECT_EQ(desk.state.dataset.selected, "/home/ann/my_dog/b.png");
  EXPECT_TRUE(contains(desk.visible_text(), "! duplicate: the same picture as a.png"));
  desk.drive([](ImGuiTestContext* test) {
    test->ItemClick("**/##b.png");
    test->KeyPress(ImGuiKey_RightArrow);
  });
  EXPECT_EQ(desk.state.dataset.selected, "/home/ann/my_dog/c.png");
}

TEST(DatasetView, TabGoesFromThePicturesToTheCaption) {
  State state = dataset_state();
  select_picture(state, "c.png");
  DeskHarness desk(state, draw_dataset);
  desk.drive([](ImGuiTestContext* test) {
    test->ItemClick("**/##c.png");
    const ImGuiID caption = test->ItemInfo("**/##caption").ID;
    const auto& active = ImGui::GetCurrentContext()->ActiveId;
    for (int i = 0; i < 12 && active != caption; ++i) test->KeyPress(ImGuiKey_Tab);
    IM_CHECK_EQ(active, caption);
  });
}

TEST(DatasetView, FiltersThoseWithWarnings) {
  DeskHarness desk(dataset_state(), draw_dataset);
  desk.drive([](ImGuiTestContext* test) {
    test->ItemClick("**/Only with warnings");
    test->Yield(2);
    IM_CHECK(test->ItemExists("**/##b.png"));
    IM_CHECK(!test->ItemExists("**/##c.png"));
  });
  desk.state.dataset.report->pictures[1].warnings.clear();
  EXPECT_TRUE(contains(desk.visible_text(), "No picture has a warning"));
}

TEST(DatasetView, TheSizeOfThumbnailsIsASlider) {
  DeskHarness desk(dataset_state(), draw_dataset);
  desk.drive([](ImGuiTestContext* test) { test->ItemInputValue("**/Size", 15.0F); });
  EXPECT_EQ(desk.state.dataset.thumbnail_size, 15.0);
}

TEST(DatasetView, DraggingTheCropMovesItAndSavesItOnce) {
  State state = dataset_state();
  select_picture(state, "c.png");
  DeskHarness desk(state, draw_dataset);
  desk.drive([](ImGuiTestContext* test) { test->ItemDragWithDelta("**/##crop", ImVec2(30, 20)); });
  const auto* save = desk.last_effect<SavePictureEdit>();
  ASSERT_TRUE(save);
  ASSERT_TRUE(save->edit.crop);
  EXPECT_GT(save->edit.crop->left, 10);
  EXPECT_GT(save->edit.crop->top, 20);
  EXPECT_EQ(save->edit.crop->width, 100);
  EXPECT_FALSE(desk.state.dataset.dragged_crop);
  EXPECT_EQ(desk.state.dataset.report->pictures[2].crop, *save->edit.crop);
}

TEST(DatasetView, DraggingACornerResizesAndKeepsTheProportions) {
  State state = dataset_state();
  select_picture(state, "c.png");
  DeskHarness desk(state, draw_dataset);
  desk.drive(
      [](ImGuiTestContext* test) { test->ItemDragWithDelta("**/##right_bottom", ImVec2(40, 40)); });
  const auto* save = desk.last_effect<SavePictureEdit>();
  ASSERT_TRUE(save);
  EXPECT_GT(save->edit.crop->width, 100);
  EXPECT_EQ(save->edit.crop->width, save->edit.crop->height);
  EXPECT_EQ(save->edit.crop->left, 10);
}

TEST(DatasetView, TheCropIsSetInNumbersToo) {
  State state = dataset_state();
  select_picture(state, "c.png");
  DeskHarness desk(state, draw_dataset);
  desk.drive([](ImGuiTestContext* test) { test->ItemInputValue("**/Left", 33); });
  EXPECT_EQ(desk.last_effect<SavePictureEdit>()->edit.crop, (CropRectangle{33, 20, 100, 100}));
  desk.drive([](ImGuiTestContext* test) { test->ItemInputValue("**/Width", 150); });
  EXPECT_EQ(desk.last_effect<SavePictureEdit>()->edit.crop, (CropRectangle{33, 20, 150, 150}));
}

TEST(DatasetView, ButtonAndDeleteKeyResetTheCrop) {
  State state = dataset_state();
  select_picture(state, "c.png");
  DeskHarness desk(state, draw_dataset);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Reset crop"); });
  ASSERT_TRUE(desk.last_effect<SavePictureEdit>());
  EXPECT_FALSE(desk.last_effect<SavePictureEdit>()->edit.crop);
  desk.state.dataset.report->pictures[2].drawn = CropRectangle{0, 0, 9, 9};
  desk.effects.clear();
  desk.drive([](ImGuiTestContext* test) {
    test->ItemClick("**/##c.png");
    test->KeyPress(ImGuiKey_Delete);
  });
  ASSERT_TRUE(desk.last_effect<SavePictureEdit>());
}

TEST(DatasetView, TheCaptionIsEditedInPlaceAndDeleteIsALetterThere) {
  State state = dataset_state();
  select_picture(state, "c.png");
  DeskHarness desk(state, draw_dataset);
  desk.drive([](ImGuiTestContext* test) {
    test->ItemClick("**/##caption");
    test->KeyPress(ImGuiMod_Ctrl | ImGuiKey_A);
    test->KeyPress(ImGuiKey_Delete);
    test->KeyChars("my dog Max");
    test->ItemClick("**/##a.png");
  });
  const auto* save = desk.last_effect<SavePictureEdit>();
  ASSERT_TRUE(save);
  EXPECT_EQ(save->edit.what, PictureEdit::What::kCaption);
  EXPECT_EQ(save->edit.caption, "my dog Max");
  EXPECT_EQ(save->edit.name, "c.png");
}

TEST(DatasetView, ClassPicturesAreCounted) {
  State state = dataset_state();
  DeskHarness desk(state, draw_dataset);
  desk.drive([](ImGuiTestContext* test) {
    test->ItemClick("**/Class pictures");
    test->ItemClick("**/Train on class pictures too");
  });
  EXPECT_TRUE(desk.state.project.train.with_prior_preservation);
  EXPECT_TRUE(desk.last_effect<RunSurvey>()->request.with_prior_preservation);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Choose their folder..."); });
  EXPECT_EQ(desk.last<AskForFile>()->question.field, "class_data_dir");
  desk.state.project.train.class_data_dir = "dogs";
  desk.state.dataset.report->class_pictures = {"dogs/0.png", "dogs/1.png", "dogs/2.png"};
  desk.state.dataset.report->class_pictures_needed = 100;
  EXPECT_TRUE(contains(desk.visible_text(),
                       "3 of 100 are in dogs. The missing ones are drawn before training starts."));
}

TEST(DatasetView, ClassPicturesAreShown) {
  State state = dataset_state();
  state.project.train.with_prior_preservation = true;
  state.project.train.class_data_dir = "dogs";
  state.dataset.request = survey_request_of(state.project.train);
  state.dataset.report->class_pictures = {"dogs/0.png", "dogs/1.png"};
  state.dataset.report->class_pictures_needed = 2;
  for (const int64_t row : {0, 1}) {
    reduce(state, JobId::kDataset,
           PreviewEvent{row, 1, "dogs/" + std::to_string(row) + ".png", "", Image(8, 8)});
  }
  DeskHarness desk(state, draw_dataset);
  desk.drive([](ImGuiTestContext* test) {
    test->ItemClick("**/Class pictures");
    test->Yield(3);
    IM_CHECK(test->ItemExists("**/##0.png"));
    IM_CHECK(test->ItemExists("**/##1.png"));
    IM_CHECK(!test->ItemExists("**/##a.png"));
  });
  EXPECT_GE(desk.textures.uploads, 5);  // three pictures and two of the class
  EXPECT_TRUE(contains(desk.visible_text(), "None has to be drawn."));
}

}  // namespace
}  // namespace dorabooth::dataset_view_ui_test
