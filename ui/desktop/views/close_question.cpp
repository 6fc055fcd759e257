// A dialog over all windows; while the program waits for the end of a job, only a line.
#include "ui/desktop/views/close_question.h"

#include <imgui.h>

#include "ui/desktop/heavy_jobs.h"

namespace dorabooth {

namespace {

void draw_answers(const State& state, Actions& actions) {
  if (state.closing == Closing::kAsking && any_heavy_active(state.jobs)) {
    if (ImGui::Button("Stop and close")) actions.add(AppAction(StopAndQuit{}));
    ImGui::SetItemDefaultFocus();
    ImGui::SameLine();
    if (ImGui::Button("Close when it is done")) actions.add(AppAction(QuitWhenDone{}));
    ImGui::SameLine();
  } else if (state.closing == Closing::kAsking) {
    if (ImGui::Button("Close")) actions.add(AppAction(Quit{}));
    ImGui::SetItemDefaultFocus();
    ImGui::SameLine();
  }
  if (ImGui::Button("Stay open") || ImGui::Shortcut(ImGuiKey_Escape))
    actions.add(AppAction(StayOpen{}));
}

void draw_dialog(const State& state, Actions& actions) {
  const std::string text = what_a_stop_means(state.jobs);
  ImGui::PushTextWrapPos(34 * ImGui::GetFontSize());
  ImGui::TextUnformatted(text.empty() ? "Nothing is running any more." : text.c_str());
  if (state.closing == Closing::kStopping)
    ImGui::TextUnformatted("The program closes as soon as it has stopped.");
  ImGui::PopTextWrapPos();
  ImGui::Spacing();
  draw_answers(state, actions);
}

}  // namespace

void draw_close_question(const State& state, Actions& actions) {
  constexpr const char* kTitle = "Close the program?";
  const bool asks = state.closing == Closing::kAsking || state.closing == Closing::kStopping;
  if (asks && !ImGui::IsPopupOpen(kTitle)) {
    ImGui::OpenPopup(kTitle);
    ImGui::SetNavCursorVisible(true);  // Enter takes the answer that is marked
  }
  ImGui::SetNextWindowPos(ImGui::GetMainViewport()->GetCenter(), ImGuiCond_Always, {0.5F, 0.5F});
  constexpr ImGuiWindowFlags kFlags =
      ImGuiWindowFlags_AlwaysAutoResize | ImGuiWindowFlags_NoSavedSettings;
  if (!ImGui::BeginPopupModal(kTitle, nullptr, kFlags)) return;
  if (asks) {
    draw_dialog(state, actions);
  } else {
    ImGui::CloseCurrentPopup();
  }
  ImGui::EndPopup();
}

}  // namespace dorabooth
