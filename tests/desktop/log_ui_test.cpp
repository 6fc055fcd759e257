// The Log window and the notices.
#include "ui/desktop/views/log.h"

#include <gtest/gtest.h>

#include "tests/desktop/desk_harness.h"

namespace dorabooth::log_ui_test {
namespace {

using testing::DeskHarness;
using testing::state_in;

State three_messages() {
  State state = state_in("/home/ann");
  add_message(state.log, {MessageKind::kInfo, "train", "dora: 30 modules"});
  add_message(state.log, {MessageKind::kWarning, "train", "no validation prompt"});
  add_message(state.log, {MessageKind::kError, "merge", "the disk is full"});
  return state;
}

bool shows(DeskHarness& desk, const char* text) {
  return desk.visible_text().find(text) != std::string::npos;
}

TEST(LogView, IsFilteredByLevel) {
  DeskHarness desk(three_messages(), draw_log);
  desk.frames();
  EXPECT_TRUE(shows(desk, "[train] dora: 30 modules"));
  desk.drive([](ImGuiTestContext* test) {
    test->ItemClick("##level");
    test->ItemClick("//$FOCUSED/Warnings and errors");
  });
  EXPECT_FALSE(shows(desk, "30 modules"));
  EXPECT_TRUE(shows(desk, "[train] warning: no validation prompt"));
  EXPECT_TRUE(shows(desk, "[merge] error: the disk is full"));
}

TEST(LogView, IsSearchedWithoutRegardToCase) {
  DeskHarness desk(three_messages(), draw_log);
  desk.drive([](ImGuiTestContext* test) { test->ItemInputValue("##search", "DISK"); });
  EXPECT_TRUE(shows(desk, "the disk is full"));
  EXPECT_FALSE(shows(desk, "30 modules"));
  desk.drive([](ImGuiTestContext* test) { test->ItemInputValue("##search", "xyz"); });
  EXPECT_TRUE(shows(desk, "No message fits"));
}

TEST(LogView, CopiesWhatIsShownAndClears) {
  DeskHarness desk(three_messages(), draw_log);
  desk.drive([](ImGuiTestContext* test) {
    test->ItemInputValue("##search", "train");
    test->ItemClick("Copy all");
  });
  EXPECT_EQ(desk.last_effect<CopyToClipboard>()->text,
            "[train] dora: 30 modules\n[train] warning: no validation prompt\n");
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("Clear"); });
  EXPECT_TRUE(desk.state.log.messages.empty());
  EXPECT_EQ(desk.state.log.notices.size(), 2u);  // they wait to be read all the same
}

TEST(LogView, OneLineIsCopiedByItsMenu) {
  DeskHarness desk(three_messages(), draw_log);
  desk.drive([](ImGuiTestContext* test) {
    test->ItemClick("**/$$2/##line", ImGuiMouseButton_Right);
    test->ItemClick("//$FOCUSED/Copy the line");
  });
  ASSERT_TRUE(desk.last_effect<CopyToClipboard>());
  EXPECT_EQ(desk.last_effect<CopyToClipboard>()->text, "[merge] error: the disk is full");
}

TEST(Notices, StayUntilTheyAreClosedAndCanBeSelected) {
  DeskHarness desk(three_messages());
  desk.frames(200);
  EXPECT_EQ(desk.state.log.notices.size(), 2u);
  desk.drive([](ImGuiTestContext* test) {
    test->SetRef("//Notices");
    test->ItemClick("**/##text##2");
    test->KeyPress(ImGuiMod_Ctrl | ImGuiKey_A);
    test->KeyPress(ImGuiMod_Ctrl | ImGuiKey_C);
    IM_CHECK_STR_EQ(ImGui::GetClipboardText(), "the disk is full");
  });
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("//Notices/Close all"); });
  EXPECT_TRUE(desk.state.log.notices.empty());
}

TEST(Notices, AreClosedFromTheKeyboard) {
  DeskHarness desk(three_messages());
  desk.drive([](ImGuiTestContext* test) { test->KeyPress(ImGuiMod_Ctrl | ImGuiKey_D); });
  EXPECT_TRUE(desk.state.log.notices.empty());
}

}  // namespace
}  // namespace dorabooth::log_ui_test
