// The Compare window's parts: settings, grid, large view, keys.
#include "ui/desktop/views/compare.h"

#include <gtest/gtest.h>

#include "tests/desktop/compare_state.h"
#include "ui/desktop/theme.h"

namespace dorabooth::compare_view_ui_test {
namespace {

using testing::comparing_state;
using testing::DeskHarness;
using testing::draw_all;

State drawn_state() {
  State state = comparing_state();
  draw_all(state);
  return state;
}

void press(ImGuiTestContext* test, ImGuiKeyChord chord) { test->KeyPress(chord); }

TEST(CompareView, AnEmptyOneSaysWhatToDoNext) {
  State state = testing::state_in("/home/ann");
  set_base(state.project, "sdxl-base");
  DeskHarness desk(state, draw_compare);
  EXPECT_NE(desk.visible_text().find("Write a prompt"), std::string::npos);
  desk.drive([](ImGuiTestContext* test) {
    test->ItemClick("**/##prompts");
    test->KeyCharsReplace("a dog\na cat");
  });
  EXPECT_EQ(desk.state.project.compare.prompt, (std::vector<std::string>{"a dog", "a cat"}));
  EXPECT_NE(desk.visible_text().find("Press Draw"), std::string::npos);
  EXPECT_NE(desk.visible_text().find("not drawn yet"), std::string::npos);
}

TEST(CompareView, DrawsStopsAndDrawsAgain) {
  DeskHarness desk(drawn_state(), draw_compare);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("Draw"); });
  ASSERT_TRUE(desk.last_effect<RunCompare>());
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("Stop"); });
  EXPECT_TRUE(desk.last_effect<StopJob>());
  reduce(desk.state, JobId::kCompare, FinishedEvent{"stopped"});
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("Draw all again"); });
  EXPECT_FALSE(desk.last_effect<RunCompare>()->request.reuse);
}

TEST(CompareView, CellsHaveCaptions) {
  DeskHarness desk(drawn_state(), draw_compare);
  const std::string text = desk.visible_text();
  for (const char* part :
       {"a dog · seed 0", "DoRA · strength 0.5", "seed 7 · 50 steps · guidance 5"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  EXPECT_EQ(text.find("not drawn yet"), std::string::npos);
  desk.frames(6);
  EXPECT_GT(desk.textures.uploads, 0);
}

TEST(CompareView, ACellInProgressSaysHowFarItIs) {
  State state = comparing_state();
  reduce(state, CompareAction(StartCompare{}));
  reduce(state, JobId::kCompare, StartedEvent{"compare", 120});
  reduce(state, JobId::kCompare, StepEvent{14, 120, {}, 1, 1});
  DeskHarness desk(state, draw_compare);
  EXPECT_NE(desk.visible_text().find("drawing, 40 %"), std::string::npos);
}

TEST(CompareView, AStrengthIsMovedAndItsCellsAreMarked) {
  DeskHarness desk(drawn_state(), draw_compare);
  desk.drive([](ImGuiTestContext* test) { test->ItemInputValue("**/##strength_1", 1.25F); });
  EXPECT_EQ(desk.state.project.compare.column[1], "DoRA=/a/dora.safetensors:1.25");
  EXPECT_TRUE(desk.last_effect<SetTimer>());
  EXPECT_NE(desk.visible_text().find("drawn with other settings"), std::string::npos);
}

TEST(CompareView, ColumnsAreAddedRenamedSweptAndRemoved) {
  State state = drawn_state();
  state.project.trained_adapters = {"/run/mine.safetensors"};
  DeskHarness desk(state, draw_compare);
  desk.drive([](ImGuiTestContext* test) {
    test->ItemClick("**/Add##\\/run\\/mine.safetensors");
    test->ItemInputValue("**/##name_0", "first");
  });
  const std::vector<std::string>& columns = desk.state.project.compare.column;
  EXPECT_EQ(columns[0], "first=/a/lora.safetensors");
  EXPECT_EQ(columns[2], "mine=/run/mine.safetensors");
  desk.drive([](ImGuiTestContext* test) {
    test->ItemClick("**/Remove##2");
    test->ItemInputValue("**/##sweep", "0.5, 1");
    test->ItemClick("**/Sweep##0");
  });
  EXPECT_EQ(columns.size(), 3u);
  EXPECT_EQ(columns[0], "first 0.5=/a/lora.safetensors:0.5");
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Add a file..."); });
  EXPECT_EQ(desk.last_effect<OpenFileDialog>()->question.use, FileUse::kAddColumn);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Checkpoints of a run..."); });
  EXPECT_EQ(desk.last_effect<OpenFileDialog>()->question.use, FileUse::kSweepCheckpoints);
}

TEST(CompareView, AsksWhereToSave) {
  DeskHarness desk(drawn_state(), draw_compare);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("Save page..."); });
  EXPECT_EQ(desk.last_effect<OpenFileDialog>()->question.start, "/home/ann/results/sheet.html");
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("Save sheet..."); });
  EXPECT_EQ(desk.last_effect<OpenFileDialog>()->question.start, "/home/ann/results/sheet.png");
}

TEST(CompareView, TheKeyboardMovesBetweenCellsAndIntoThem) {
  DeskHarness desk(drawn_state(), draw_compare);
  desk.drive([&](ImGuiTestContext* test) {
    test->ItemClick("**/##cell_0_0");
    press(test, ImGuiKey_RightArrow);
    press(test, ImGuiKey_DownArrow);
    test->Yield(2);
    IM_CHECK((desk.state.compare.selected == CellIndex{1, 1}));
    press(test, ImGuiKey_Tab);
    press(test, ImGuiKey_Tab);
    test->Yield(2);
    IM_CHECK((desk.state.compare.selected == CellIndex{2, 0}));
    press(test, ImGuiKey_S);
    press(test, ImGuiKey_1);
    press(test, ImGuiKey_Enter);
    test->Yield(2);
    IM_CHECK(desk.state.compare.large);
    press(test, ImGuiKey_Tab);
    press(test, ImGuiKey_RightArrow);
    test->Yield(2);
    IM_CHECK((desk.state.compare.selected == CellIndex{2, 1}));
    IM_CHECK(desk.state.compare.mode == LargeMode::kFlip);
    press(test, ImGuiKey_F);
    press(test, ImGuiKey_Escape);
    test->Yield(2);
    IM_CHECK(!desk.state.compare.large);
    // The pictures still have the keys.
    press(test, ImGuiKey_LeftArrow);
    test->Yield(2);
    IM_CHECK((desk.state.compare.selected == CellIndex{2, 0}));
  });
  EXPECT_EQ(desk.state.project.favourites.size(), 1u);
  EXPECT_EQ(desk.state.compare.view.zoom, 0);
  EXPECT_NE(desk.visible_text().find("★ base"), std::string::npos);
}

TEST(CompareView, WheelAndDragMoveAllCellsTogether) {
  DeskHarness desk(drawn_state(), draw_compare);
  desk.drive([](ImGuiTestContext* test) {
    test->MouseMove("**/##cell_0_1");
    test->Yield();
    test->MouseWheelY(3);
  });
  const double zoom = desk.state.compare.view.zoom;
  EXPECT_GT(zoom, 1);
  desk.drive([](ImGuiTestContext* test) {
    test->MouseMove("**/##cell_0_2");
    test->MouseDragWithDelta({40, 0});
  });
  EXPECT_EQ(desk.state.compare.view.zoom, zoom);
  EXPECT_LT(desk.state.compare.view.x, 0.5);
}

TEST(CompareView, ThePixelUnderTheCursorIsTold) {
  DeskHarness desk(drawn_state(), draw_compare);
  ImVec2 middle;
  desk.drive([&](ImGuiTestContext* test) {
    middle = test->ItemInfo("**/##cell_0_2").RectFull.GetCenter();
  });
  ImGui::GetIO().AddMousePosEvent(middle.x, middle.y);
  desk.frames(2);
  EXPECT_NE(desk.visible_text().find(": 2 2 2"), std::string::npos) << desk.visible_text();
}

TEST(CompareView, TheSplitIsDragged) {
  State state = drawn_state();
  state.compare.large = true;
  state.compare.selected = {0, 2};
  DeskHarness desk(state, draw_compare);
  EXPECT_NE(desk.visible_text().find("base  |  DoRA · strength 0.5"), std::string::npos);
  desk.drive([](ImGuiTestContext* test) {
    test->MouseMove("**/##split");
    test->MouseDragWithDelta({100, 0});
  });
  EXPECT_GT(desk.state.compare.split, 0.55);
}

TEST(CompareView, SpaceShowsTheOtherPictureWhileItIsHeld) {
  State state = drawn_state();
  state.compare.large = true;
  state.compare.selected = {0, 2};
  state.compare.mode = LargeMode::kFlip;
  DeskHarness desk(state, draw_compare);
  desk.drive([&](ImGuiTestContext* test) {
    test->ItemClick("**/##canvas");
    IM_CHECK(desk.state.compare.large);
  });
  EXPECT_NE(desk.visible_text().find("\nDoRA · strength 0.5\n"), std::string::npos)
      << desk.visible_text();
  ImGui::GetIO().AddKeyEvent(ImGuiKey_Space, true);
  desk.frames(2);
  EXPECT_NE(desk.visible_text().find("\nbase\n"), std::string::npos) << desk.visible_text();
}

TEST(CompareView, TheDifferenceIsComputedOncePerPairAndGain) {
  State state = drawn_state();
  state.compare.large = true;
  state.compare.selected = {1, 1};
  state.compare.mode = LargeMode::kDifference;
  DeskHarness desk(state, draw_compare);
  desk.drive([](ImGuiTestContext* test) { test->ItemInputValue("**/##gain", 16.0F); });
  EXPECT_EQ(desk.state.compare.gain, 16);
  NullTextureStore textures;
  Widgets widgets{textures};
  for (int i = 0; i < 3; ++i) {
    const auto& pictures = desk.state.compare.pictures;
    widgets.derived.difference(pictures.at({"a dog", 0, "base"}).image,
                               pictures.at({"a dog", 0, "LoRA"}).image, 4);
  }
  EXPECT_EQ(widgets.derived.computed, 1);
}

TEST(CompareView, ModesAndTheOtherColumnAreChosen) {
  State state = drawn_state();
  state.compare.large = true;
  state.compare.selected = {0, 2};
  DeskHarness desk(state, draw_compare);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Side by side"); });
  EXPECT_EQ(desk.state.compare.mode, LargeMode::kSideBySide);
  reduce(desk.state, CompareAction(SetOtherColumn{1}));
  EXPECT_NE(desk.visible_text().find("LoRA · strength 1  |  DoRA · strength 0.5"),
            std::string::npos);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Back"); });
  EXPECT_FALSE(desk.state.compare.large);
}

TEST(CompareView, AFavouriteIsOpenedAndForgotten) {
  State state = drawn_state();
  state.project.favourites = {"/a/f.png"};
  DeskHarness desk(state, draw_compare);
  desk.drive([](ImGuiTestContext* test) {
    test->ItemOpen("**/###Favourites");
    test->ItemClick("**/Open##\\/a\\/f.png");
  });
  EXPECT_EQ(desk.last_effect<ReadPicture>()->path, "/a/f.png");
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Forget##\\/a\\/f.png"); });
  EXPECT_TRUE(desk.state.project.favourites.empty());
}

}  // namespace
}  // namespace dorabooth::compare_view_ui_test
