// All windows at once: menus, shortcuts, notices, the picker, and that no window is empty.
#include <gtest/gtest.h>
#include <imgui_internal.h>

#include "tests/desktop/desk_harness.h"
#include "ui/desktop/menu.h"

namespace dorabooth::desktop_ui_test {
namespace {

using testing::DeskHarness;
using testing::state_in;

TEST(Desktop, EveryWindowSaysSomethingWhenThereIsNothing) {
  for (const WindowId window : kWindows) {
    DeskHarness desk(State(), view_of(window));
    desk.frames();
    EXPECT_GT(desk.visible_text().size(), 20u) << window_title(window);
  }
}

TEST(Desktop, WindowsCloseAndComeBackFromTheMenu) {
  DeskHarness desk(state_in("/home/ann"));
  desk.drive([](ImGuiTestContext* test) {
    test->WindowClose("//Inspect");
    test->Yield(3);
    test->SetRef("##MainMenuBar");
    test->MenuClick("Window/Inspect");
  });
  EXPECT_EQ(desk.last<CloseWindow>()->window, WindowId::kInspect);
  EXPECT_TRUE(desk.state.window_open[static_cast<size_t>(WindowId::kInspect)]);
}

TEST(Desktop, UndoAndRedoByKey) {
  DeskHarness desk(state_in("/home/ann"));
  reduce(desk.state, FormAction(SetField{FormId::kTrain, "rank", 8}));
  desk.drive([](ImGuiTestContext* test) { test->KeyPress(ImGuiMod_Ctrl | ImGuiKey_Z); });
  EXPECT_EQ(desk.state.project.train.rank, 4);
  desk.drive(
      [](ImGuiTestContext* test) { test->KeyPress(ImGuiMod_Ctrl | ImGuiMod_Shift | ImGuiKey_Z); });
  EXPECT_EQ(desk.state.project.train.rank, 8);
}

TEST(Desktop, EveryShortcutIsThereOnce) {
  std::vector<int> chords;
  for (const MenuItem& item : menu_items(State())) {
    if (item.chord == 0) continue;
    EXPECT_EQ(std::count(chords.begin(), chords.end(), item.chord), 0) << item.label;
    chords.push_back(item.chord);
  }
  EXPECT_GE(chords.size(), 15u);
}

TEST(Desktop, ANoticeIsCopiedAndDismissed) {
  State state = state_in("/home/ann");
  add_message(state.log, {MessageKind::kError, "train", "the disk is full"});
  DeskHarness desk(state);
  desk.drive([](ImGuiTestContext* test) {
    test->SetRef("//Notices");
    test->ItemClick("Copy##1");
    test->ItemClick("Close##1");
  });
  EXPECT_EQ(desk.last_effect<CopyToClipboard>()->text, "the disk is full");
  EXPECT_TRUE(desk.state.log.notices.empty());
}

TEST(Desktop, ThePickerIsDrivenToAnAnswer) {
  State state = state_in("/home/ann");
  FileQuestion question;
  question.kind = FileQuestionKind::kOpenFolder;
  question.field = "instance_data_dir";
  reduce(state, FileAction(PickerOpened{question}));
  reduce(state, FileAction(FolderListed{"/home/ann", {{"my_dog", true}, {"notes.txt", false}}}));
  DeskHarness desk(state);
  desk.drive([](ImGuiTestContext* test) {
    test->SetRef("//Choose a file");
    test->ItemClick("**/my_dog\\/###entry");
    test->ItemClick("Choose");
  });
  EXPECT_EQ(desk.state.project.train.instance_data_dir, "/home/ann/my_dog");
}

TEST(Desktop, ThePickerGoesIntoAFolderThatIsChosenTwice) {
  State state = state_in("/home/ann");
  FileQuestion question;
  question.kind = FileQuestionKind::kOpenFolder;
  question.field = "instance_data_dir";
  reduce(state, FileAction(PickerOpened{question}));
  reduce(state, FileAction(FolderListed{"/home/ann", {{"my_dog", true}}}));
  DeskHarness desk(state);
  desk.drive([&](ImGuiTestContext* test) {
    test->SetRef("//Choose a file");
    test->ItemClick("**/my_dog\\/###entry");
    test->ItemClick("**/my_dog\\/###entry");
    test->Yield(3);
    test->ItemClick("Choose");
  });
  EXPECT_EQ(desk.last_effect<ListFolder>()->folder, "/home/ann/my_dog");
  EXPECT_EQ(desk.state.project.train.instance_data_dir, "/home/ann/my_dog");
}

TEST(Desktop, TheLayoutIsResetFromTheMenu) {
  DeskHarness desk(state_in("/home/ann"));
  desk.drive([](ImGuiTestContext* test) {
    test->SetRef("##MainMenuBar");
    test->MenuClick("Window/Reset layout");
  });
  EXPECT_TRUE(desk.last<ResetLayout>());
  EXPECT_TRUE(ImGui::FindWindowByName("Train")->DockIsActive);
}

}  // namespace
}  // namespace dorabooth::desktop_ui_test
