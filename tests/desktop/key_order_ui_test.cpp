// A shortcut whose keys all arrive before one frame is drawn.
#include "ui/desktop/widgets/key_order.h"

#include <gtest/gtest.h>
#include <imgui.h>
#include <imgui_impl_null.h>

namespace dorabooth::key_order_ui_test {
namespace {

TEST(KeyOrder, AFastShortcutIsSeenOnce) {
  ImGui::CreateContext();
  ImGuiIO& io = ImGui::GetIO();
  io.IniFilename = nullptr;
  io.DisplaySize = {640, 480};
  ImGui_ImplNull_Init();
  KeyOrder order;
  int seen = 0;
  int more = 0;
  for (int frame = 0; frame < 8; ++frame) {
    if (frame == 3) {
      for (const bool down : {true, false}) {
        io.AddKeyEvent(ImGuiKey_LeftCtrl, down);
        io.AddKeyEvent(ImGuiMod_Ctrl, down);
        if (down) io.AddKeyEvent(ImGuiKey_Q, true);
      }
      io.AddKeyEvent(ImGuiKey_Q, false);
    }
    order.hold_back();
    ImGui_ImplNull_NewFrame();
    ImGui::NewFrame();
    more += order.give_back();
    seen += ImGui::Shortcut(ImGuiMod_Ctrl | ImGuiKey_Q, ImGuiInputFlags_RouteGlobal);
    ImGui::Render();
  }
  EXPECT_EQ(seen, 1);
  EXPECT_EQ(more, 1);
  EXPECT_FALSE(ImGui::IsKeyDown(ImGuiKey_LeftCtrl));
  ImGui_ImplNull_Shutdown();
  ImGui::DestroyContext();
}

}  // namespace
}  // namespace dorabooth::key_order_ui_test
