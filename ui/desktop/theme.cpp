#include "ui/desktop/theme.h"

#include <implot.h>

namespace dorabooth {

namespace {

bool is_light() { return ImGui::GetStyle().Colors[ImGuiCol_WindowBg].x > 0.5F; }

ImVec4 grey(float value) { return {value, value, value, 1.0F}; }

struct Palette {
  float background, panel, frame, hovered, active, text, disabled, border;
  ImVec4 accent;
};

void color_style(ImGuiStyle& style, const Palette& p) {
  ImVec4* c = style.Colors;
  // What is not named below keeps ImGui's colour without its blue.
  for (int i = 0; i < ImGuiCol_COUNT; ++i) {
    const float value = (c[i].x + c[i].y + c[i].z) / 3;
    c[i] = {value, value, value, c[i].w};
  }
  c[ImGuiCol_Text] = grey(p.text);
  c[ImGuiCol_TextDisabled] = grey(p.disabled);
  c[ImGuiCol_WindowBg] = c[ImGuiCol_MenuBarBg] = c[ImGuiCol_PopupBg] = grey(p.panel);
  c[ImGuiCol_ChildBg] = {0, 0, 0, 0};
  c[ImGuiCol_TitleBg] = c[ImGuiCol_TitleBgCollapsed] = c[ImGuiCol_TitleBgActive] =
      grey(p.background);
  c[ImGuiCol_DockingEmptyBg] = grey(p.background);
  c[ImGuiCol_Border] = c[ImGuiCol_Separator] = grey(p.border);
  for (const int i :
       {ImGuiCol_FrameBg, ImGuiCol_Button, ImGuiCol_Header, ImGuiCol_Tab, ImGuiCol_TabDimmed})
    c[i] = grey(p.frame);
  for (const int i : {ImGuiCol_FrameBgHovered, ImGuiCol_ButtonHovered, ImGuiCol_HeaderHovered,
                      ImGuiCol_TabHovered})
    c[i] = grey(p.hovered);
  for (const int i : {ImGuiCol_FrameBgActive, ImGuiCol_ButtonActive, ImGuiCol_HeaderActive,
                      ImGuiCol_TabSelected, ImGuiCol_TabDimmedSelected})
    c[i] = grey(p.active);
  for (const int i : {ImGuiCol_CheckMark, ImGuiCol_SliderGrab, ImGuiCol_SliderGrabActive,
                      ImGuiCol_TabSelectedOverline, ImGuiCol_NavCursor, ImGuiCol_PlotHistogram,
                      ImGuiCol_DockingPreview, ImGuiCol_DragDropTarget, ImGuiCol_TextLink})
    c[i] = p.accent;
  c[ImGuiCol_TextSelectedBg] = {p.accent.x, p.accent.y, p.accent.z, 0.4F};
}

}  // namespace

void apply_theme(const std::string& theme, float scale) {
  ImGuiStyle style;  // fresh: ScaleAllSizes compounds
  const bool light = theme == "light";
  if (light) {
    ImGui::StyleColorsLight(&style);
    color_style(style, {0.80F, 0.94F, 0.87F, 0.81F, 0.74F, 0.08F, 0.40F, 0.70F,
                        ImVec4(0.10F, 0.40F, 0.75F, 1)});
  } else {
    ImGui::StyleColorsDark(&style);
    color_style(style, {0.11F, 0.15F, 0.22F, 0.28F, 0.33F, 0.92F, 0.58F, 0.26F,
                        ImVec4(0.35F, 0.65F, 0.98F, 1)});
  }
  style.WindowRounding = style.ChildRounding = style.TabRounding = 0;
  style.FrameRounding = style.GrabRounding = style.PopupRounding = 3;
  // White boxes on white would not be seen.
  style.FrameBorderSize = light ? 1 : 0;
  style.FramePadding = {7, 4};
  style.ItemSpacing = {8, 6};
  style.WindowPadding = {10, 10};
  style.FontSizeBase = 15;
  style.ScaleAllSizes(scale);
  style.FontScaleDpi = scale;
  ImGui::GetStyle() = style;
  if (ImPlot::GetCurrentContext() == nullptr) return;
  ImPlot::GetStyle() = ImPlotStyle();
  light ? ImPlot::StyleColorsLight() : ImPlot::StyleColorsDark();
  ImPlot::GetStyle().PlotPadding = {6 * scale, 6 * scale};
  ImPlot::GetStyle().PlotMinSize = {100 * scale, 60 * scale};
}

ImVec4 accent_text_color() {
  return is_light() ? ImVec4(0.05F, 0.32F, 0.65F, 1) : ImVec4(0.50F, 0.75F, 1.0F, 1);
}

ImVec4 error_text_color() {
  return is_light() ? ImVec4(0.70F, 0.08F, 0.05F, 1) : ImVec4(1.0F, 0.50F, 0.45F, 1);
}

ImVec4 warning_text_color() {
  return is_light() ? ImVec4(0.55F, 0.35F, 0, 1) : ImVec4(1.0F, 0.78F, 0.40F, 1);
}

}  // namespace dorabooth
