// The main path by the keyboard alone, through all windows: no click, no pointer.
#include <gtest/gtest.h>
#include <imgui_internal.h>

#include "src/base/atomic_file.h"
#include "tests/desktop/compare_state.h"
#include "ui/desktop/menu.h"

namespace dorabooth::keyboard_ui_test {
namespace {

using testing::comparing_state;
using testing::DeskHarness;
using testing::draw_all;
using testing::state_in;

void press(ImGuiTestContext* test, ImGuiKeyChord chord, int times = 1) {
  for (int i = 0; i < times; ++i) {
    test->KeyPress(chord);
    test->Yield(2);
  }
}

// Presses Tab until the item is the one that the keys act on.
void tab_to(ImGuiTestContext* test, const char* ref) {
  const ImGuiID wanted = test->ItemInfo(ref, ImGuiTestOpFlags_NoError).ID;
  for (int i = 0; i < 80; ++i) {
    if (wanted != 0 && ImGui::GetCurrentContext()->NavId == wanted) return;
    press(test, ImGuiKey_Tab);
  }
  const ImGuiContext& g = *ImGui::GetCurrentContext();
  ADD_FAILURE() << "Tab does not come to " << ref << "; the keys are in "
                << (g.NavWindow ? g.NavWindow->Name : "no window") << " wanted " << wanted << " at "
                << g.NavId << " layer " << g.NavLayer;
}

// A setting of the window's form, found by its search box.
void set_field(ImGuiTestContext* test, const char* window, const char* field, const char* value) {
  press(test, ImGuiMod_Ctrl | ImGuiKey_F);
  press(test, ImGuiMod_Ctrl | ImGuiKey_A);
  test->KeyCharsReplace(field);
  test->Yield(2);
  tab_to(test, (std::string("//") + window + "/**/##" + field).c_str());
  test->KeyCharsReplaceEnter(value);
  test->Yield(2);
}

// Does what the last files effects asked for, as the program would.
void bring_texts(DeskHarness& desk, TextUse use) {
  for (const Effect& effect : Effects(desk.effects)) {
    const auto* load = std::get_if<LoadText>(&effect);
    if (load && load->use == use)
      reduce(desk.state, FileAction(TextLoaded{use, load->path, read_file(load->path)}));
  }
}

TEST(Keyboard, FromTheFirstStartToARun) {
  DeskHarness desk(state_in("/home/ann"));
  desk.drive([](ImGuiTestContext* test) {
    press(test, ImGuiMod_Ctrl | ImGuiKey_1);
    tab_to(test, "//Start/Try the bundled base and pictures");
    press(test, ImGuiKey_Enter);
  });
  bring_texts(desk, TextUse::kQuickstart);
  ASSERT_FALSE(desk.state.project.train.instance_data_dir.empty());
  desk.drive([](ImGuiTestContext* test) {
    press(test, ImGuiMod_Ctrl | ImGuiKey_3);
    set_field(test, "Train", "max_train_steps", "40");
    press(test, ImGuiKey_F5);
  });
  EXPECT_EQ(desk.state.project.train.max_train_steps, 40);
  ASSERT_TRUE(desk.last_effect<RunTraining>());
  const auto phase_after = [&](ImGuiKey key) {
    desk.drive([&](ImGuiTestContext* test) { press(test, key); });
    return desk.state.jobs[JobId::kTrain].phase;
  };
  EXPECT_EQ(phase_after(ImGuiKey_F6), JobState::Phase::kPaused);
  EXPECT_EQ(phase_after(ImGuiKey_F7), JobState::Phase::kRunning);
  EXPECT_EQ(phase_after(ImGuiKey_F8), JobState::Phase::kStopping);
}

TEST(Keyboard, AFolderIsChosenInThePicker) {
  DeskHarness desk(state_in("/home/ann"));
  desk.drive([](ImGuiTestContext* test) {
    press(test, ImGuiMod_Ctrl | ImGuiKey_1);
    tab_to(test, "//Start/Choose a folder...");
    press(test, ImGuiKey_Enter);
  });
  ASSERT_TRUE(desk.last_effect<OpenFileDialog>());
  reduce(desk.state, FileAction(PickerOpened{desk.last_effect<OpenFileDialog>()->question}));
  reduce(desk.state,
         FileAction(FolderListed{"/home/ann", {{"my_dog", true}, {"notes.txt", false}}}));
  desk.drive([](ImGuiTestContext* test) { test->KeyCharsReplaceEnter("my_dog"); });
  EXPECT_EQ(desk.state.project.train.instance_data_dir, "/home/ann/my_dog");
  EXPECT_FALSE(desk.state.picker.question);
}

TEST(Keyboard, APromptIsComparedAndLookedAt) {
  State state = comparing_state();
  DeskHarness desk(state);
  desk.drive([](ImGuiTestContext* test) {
    press(test, ImGuiMod_Ctrl | ImGuiKey_4);
    tab_to(test, "//Compare/**/##prompts");
    press(test, ImGuiMod_Ctrl | ImGuiKey_A);
    test->KeyCharsReplace("a dog");
    press(test, ImGuiMod_Ctrl | ImGuiKey_Enter);
  });
  EXPECT_EQ(desk.state.project.compare.prompt, std::vector<std::string>{"a dog"});
  ASSERT_TRUE(desk.last_effect<RunCompare>());
  desk.drive(
      [](ImGuiTestContext* test) { press(test, ImGuiMod_Ctrl | ImGuiMod_Shift | ImGuiKey_Enter); });
  EXPECT_TRUE(desk.last_effect<StopJob>());
  reduce(desk.state, JobId::kCompare, FinishedEvent{"stopped"});
  draw_all(desk.state);
  desk.drive([](ImGuiTestContext* test) {
    press(test, ImGuiMod_Ctrl | ImGuiKey_G);
    press(test, ImGuiKey_RightArrow, 2);
    press(test, ImGuiKey_S);
    press(test, ImGuiKey_Enter);
    press(test, ImGuiKey_Tab);  // to Flip
    test->KeyDown(ImGuiKey_Space);
    test->Yield(3);
    test->KeyUp(ImGuiKey_Space);
  });
  EXPECT_TRUE(desk.state.compare.large);
  EXPECT_EQ(desk.state.compare.selected.column, 2u);
  EXPECT_EQ(desk.state.project.favourites.size(), 1u);
  EXPECT_EQ(desk.state.compare.mode, LargeMode::kFlip);
}

TEST(Keyboard, ALargePictureIsSplitZoomedAndComparedWithAnother) {
  State state = comparing_state();
  draw_all(state);
  DeskHarness desk(state);
  const CompareState& compare = desk.state.compare;
  desk.drive([&](ImGuiTestContext* test) {
    press(test, ImGuiMod_Ctrl | ImGuiKey_G);
    press(test, ImGuiKey_Enter);
    press(test, ImGuiKey_Period, 2);
    press(test, ImGuiKey_Comma);
    press(test, ImGuiKey_A);
    press(test, ImGuiKey_Equal);
    press(test, ImGuiMod_Shift | ImGuiKey_RightArrow);
    EXPECT_NEAR(compare.split, 0.55, 1e-9);
    EXPECT_EQ(compare.other, 1u);
    EXPECT_NEAR(compare.view.zoom, 1.25, 1e-9);
    EXPECT_NEAR(compare.view.x, 0.55, 1e-9);
    press(test, ImGuiKey_Minus, 20);
    press(test, ImGuiKey_Tab, 2);  // to Difference
    press(test, ImGuiKey_Period);
    press(test, ImGuiKey_Escape);
  });
  EXPECT_EQ(compare.view.zoom, 0);
  EXPECT_EQ(compare.gain, 8);
  EXPECT_FALSE(compare.large);
}

TEST(Keyboard, AMergeIsSetUpAndStarted) {
  State state = comparing_state();
  state.project.trained_adapters = {"/run/dora/pytorch_lora_weights.safetensors"};
  DeskHarness desk(state);
  desk.drive([](ImGuiTestContext* test) {
    press(test, ImGuiMod_Ctrl | ImGuiKey_5);
    tab_to(test, "//Export/**/Add dora");
    press(test, ImGuiKey_Enter);
    set_field(test, "Export", "output_dir", "/home/ann/merged");
    press(test, ImGuiMod_Ctrl | ImGuiKey_M);
  });
  ASSERT_TRUE(desk.last_effect<RunMerge>());
  EXPECT_EQ(desk.last_effect<RunMerge>()->request.adapter_path, state.project.trained_adapters);
  EXPECT_EQ(desk.last_effect<RunMerge>()->request.output_dir, "/home/ann/merged");
}

TEST(Keyboard, EveryMenuIsReachedFromTheMenuKey) {
  State state = comparing_state();
  draw_all(state);
  DeskHarness desk(state);
  desk.drive([](ImGuiTestContext* test) {
    press(test, ImGuiMod_Ctrl | ImGuiKey_4);
    press(test, ImGuiKey_F10);
    press(test, ImGuiKey_RightArrow, 3);  // File, Edit, Train, Compare
    press(test, ImGuiKey_DownArrow);      // opens it
    for (const char* item : {"Stop drawing", "Save sheet...", "Split", "Favourite"})
      EXPECT_TRUE(test->ItemExists((std::string("//###Menu_00/") + item).c_str())) << item;
    press(test, ImGuiKey_DownArrow, 2);  // past what is not enabled
    press(test, ImGuiKey_Enter);
  });
  ASSERT_TRUE(desk.last<AskForFile>());
  EXPECT_EQ(desk.last<AskForFile>()->question.use, FileUse::kSaveComparison);
}

TEST(Keyboard, WhatTheMenuOfTheComparisonOffersIsDone) {
  State state = comparing_state();
  draw_all(state);
  reduce(state, CompareAction(SelectCell{{0, 1}}));
  std::vector<std::string> labels;
  for (const MenuItem& item : menu_items(state)) {
    if (item.menu != std::string("Compare") || !item.enabled) continue;
    State after = state;
    const Effects effects = reduce(after, item.action);
    labels.push_back(item.label);
    const bool something = !effects.empty() || after.compare.large != state.compare.large ||
                           after.compare.to_pictures || item.checked ||
                           after.project.compare.column != state.project.compare.column ||
                           after.compare.view.zoom != state.compare.view.zoom ||
                           item.label == std::string("As large as fits");
    EXPECT_TRUE(something) << item.label;
  }
  EXPECT_GE(labels.size(), 10u);
}

}  // namespace
}  // namespace dorabooth::keyboard_ui_test
