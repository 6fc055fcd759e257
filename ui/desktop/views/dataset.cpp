#include "ui/desktop/views/dataset.h"

#include <imgui.h>

namespace dorabooth {

void draw_dataset(const State& state, Actions& actions, Widgets&) {
  const std::string& folder = state.project.train.instance_data_dir;
  if (folder.empty()) {
    ImGui::TextWrapped("Drop a folder of pictures on this window, or choose one on Start.");
    return;
  }
  ImGui::TextWrapped("%s", folder.c_str());
  if (ImGui::Button("Read the folder")) actions.add(DatasetAction(ReadDataset{}));
  for (const std::string& picture : state.dataset.pictures) ImGui::TextUnformatted(picture.c_str());
}

}  // namespace dorabooth
