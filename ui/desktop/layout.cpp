#include "ui/desktop/layout.h"

#include <imgui.h>
#include <imgui_internal.h>

#include "ui/desktop/window_id.h"

namespace dorabooth {

#ifdef IMGUI_HAS_DOCK

namespace {

void lay_out(ImGuiID root) {
  ImGui::DockBuilderRemoveNode(root);
  ImGui::DockBuilderAddNode(root, ImGuiDockNodeFlags_DockSpace);
  ImGui::DockBuilderSetNodeSize(root, ImGui::GetMainViewport()->WorkSize);
  ImGuiID main = root;
  const ImGuiID below = ImGui::DockBuilderSplitNode(main, ImGuiDir_Down, 0.17F, nullptr, &main);
  for (const WindowId window : kWindows)
    ImGui::DockBuilderDockWindow(window_title(window), window == WindowId::kLog ? below : main);
  ImGui::DockBuilderFinish(root);
}

}  // namespace

void draw_dock_space(bool reset) {
  const ImGuiID root = ImGui::GetID("dock space");
  if (reset || ImGui::DockBuilderGetNode(root) == nullptr) lay_out(root);
  ImGui::DockSpaceOverViewport(root);
}

#else

void draw_dock_space(bool) {}

#endif

}  // namespace dorabooth
