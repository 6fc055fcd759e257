#include "ui/desktop/widgets/layer_name.h"

#include <imgui.h>

namespace dorabooth {

std::string end_that_fits(const std::string& name, float width) {
  std::string text = name;
  for (size_t from = 1; ImGui::CalcTextSize(text.c_str()).x > width && from < name.size(); ++from)
    text = "…" + name.substr(from);
  return text;
}

void draw_layer_name(const std::string& name) {
  ImGui::TextUnformatted(end_that_fits(name, ImGui::GetContentRegionAvail().x).c_str());
  ImGui::SetItemTooltip("%s", name.c_str());
}

}  // namespace dorabooth
