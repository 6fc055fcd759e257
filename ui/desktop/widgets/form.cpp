#include "ui/desktop/widgets/form.h"

#include <imgui.h>
#include <imgui_stdlib.h>

#include <algorithm>
#include <cctype>

#include "ui/desktop/theme.h"
#include "ui/desktop/widgets/form_field.h"
#include "ui/desktop/widgets/missing_glyphs.h"

namespace dorabooth {

using nlohmann::json;

namespace {

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

class FormDrawing {
 public:
  FormDrawing(const State& state, FormId id, Actions& actions)
      : state_(state.form(id)),
        id_(id),
        form_(project_form(state.project, id)),
        home_(state.places.home),
        actions_(actions) {
    for (const Field& field : form_.table->fields()) {
      const float width = ImGui::CalcTextSize(field.name.c_str()).x;
      label_width_ = std::max(label_width_, width + 2 * ImGui::GetFontSize());
    }
  }

  void draw_one(const std::string& name) {
    const Field& field = form_.table->at(name);
    draw_row(field, form_.table->get(form_.object, field), form_.table->get(form_.defaults, field));
  }

  void draw(const std::vector<std::string>& elsewhere) {
    draw_filter();
    std::string group;
    bool open = false;
    bool any = false;
    for (const Field& field : form_.table->fields()) {
      const json value = form_.table->get(form_.object, field);
      const json initial = form_.table->get(form_.defaults, field);
      if (!is_shown(field, value != initial)) continue;
      if (std::find(elsewhere.begin(), elsewhere.end(), field.name) != elsewhere.end()) continue;
      any = true;
      if (field.group != group) {
        group = field.group;
        if (!state_.search.empty()) ImGui::SetNextItemOpen(true);
        open = ImGui::CollapsingHeader(group.c_str(), ImGuiTreeNodeFlags_DefaultOpen);
      }
      if (open) draw_row(field, value, initial);
    }
    if (!any) ImGui::TextWrapped("No setting fits. Clear the search to see all of them.");
  }

 private:
  void draw_filter() {
    std::string search = state_.search;
    ImGui::SetNextItemWidth(-10 * ImGui::GetFontSize());
    if (ImGui::IsWindowFocused(ImGuiFocusedFlags_RootAndChildWindows) &&
        ImGui::IsKeyChordPressed(ImGuiMod_Ctrl | ImGuiKey_F))
      ImGui::SetKeyboardFocusHere();
    if (ImGui::InputTextWithHint("##search", "Search (Ctrl+F)", &search))
      actions_.add(FormAction(SearchForm{id_, search}));
    ImGui::SameLine();
    bool changed = state_.changed_only;
    if (ImGui::Checkbox("Changed only", &changed))
      actions_.add(FormAction(ShowChangedOnly{id_, changed}));
  }

  bool is_shown(const Field& field, bool changed) const {
    if (state_.changed_only && !changed && !state_.refused.contains(field.name)) return false;
    const std::string search = lower(state_.search);
    return search.empty() || lower(field.name).find(search) != std::string::npos ||
           lower(field.help).find(search) != std::string::npos;
  }

  void draw_row(const Field& field, const json& value, const json& initial) {
    const float left = ImGui::GetCursorPosX();
    const bool changed = value != initial;
    ImGui::AlignTextToFramePadding();
    // The mark is a sign and not only a colour.
    const std::string label = (changed ? "* " : "  ") + field.name;
    if (changed) ImGui::PushStyleColor(ImGuiCol_Text, accent_text_color());
    ImGui::TextUnformatted(label.c_str());
    if (changed) ImGui::PopStyleColor();
    if (ImGui::IsItemHovered(ImGuiHoveredFlags_ForTooltip)) draw_tooltip(field, initial);
    // Where there is too little room beside the longest name, values stand below.
    const bool beside = ImGui::GetContentRegionAvail().x > label_width_ + 15 * ImGui::GetFontSize();
    if (beside) {
      ImGui::SameLine(left + label_width_);
    } else {
      ImGui::SetCursorPosX(left + ImGui::GetFontSize());
    }
    if (field.optional) draw_set_box(field, value);
    draw_value(field, value, initial, changed);
    if (value.is_string()) draw_missing_glyphs_note(value.get<std::string>());
    draw_refusal(field);
  }

  void draw_tooltip(const Field& field, const json& initial) {
    ImGui::BeginTooltip();
    ImGui::PushTextWrapPos(30 * ImGui::GetFontSize());
    ImGui::TextUnformatted(field_tooltip(field, initial).c_str());
    ImGui::PopTextWrapPos();
    ImGui::EndTooltip();
  }

  void draw_set_box(const Field& field, const json& value) {
    bool set = !value.is_null();
    if (ImGui::Checkbox(("##set_" + field.name).c_str(), &set)) {
      actions_.add(FormAction(SetField{id_, field.name, set ? first_value(field) : json(nullptr)}));
      actions_.add(FormAction(EndEdit{}));
    }
    ImGui::SetItemTooltip("Whether it is set");
    ImGui::SameLine();
  }

  void draw_value(const Field& field, const json& value, const json& initial, bool changed) {
    const auto refused = state_.refused.find(field.name);
    const bool is_refused = refused != state_.refused.end();
    const json& shown = is_refused ? refused->second.value : value;
    if (shown.is_null()) {
      ImGui::TextDisabled("not set");
    } else {
      const float size = ImGui::GetFontSize();
      const float after = (changed ? 4.5F : 0) + (path_kind(field) != PathKind::kNone ? 2.5F : 0);
      ImGui::SetNextItemWidth(std::max(4 * size, ImGui::GetContentRegionAvail().x - after * size));
      ImGui::BeginGroup();
      take(field, draw_field(field, shown), value);
      ImGui::EndGroup();
      if (ImGui::IsItemHovered(ImGuiHoveredFlags_ForTooltip)) draw_tooltip(field, initial);
    }
    if (!changed && !is_refused) return;
    ImGui::SameLine();
    if (ImGui::Button(("Reset##" + field.name).c_str()))
      actions_.add(FormAction(ResetField{id_, field.name}));
  }

  void take(const Field& field, const FieldEdit& edit, const json& value) {
    if (edit.value) actions_.add(FormAction(SetField{id_, field.name, *edit.value}));
    if (edit.ended) actions_.add(FormAction(EndEdit{}));
    if (!edit.ask_for_file) return;
    FileQuestion question;
    question.form = id_;
    question.field = field.name;
    question.title = field.name;
    question.start = value.is_string() ? value.get<std::string>() : home_;
    const PathKind kind = path_kind(field);
    question.kind = kind == PathKind::kFolder ? FileQuestionKind::kOpenFolder
                    : kind == PathKind::kSave ? FileQuestionKind::kSaveFile
                                              : FileQuestionKind::kOpenFile;
    actions_.add(FileAction(AskForFile{question}));
  }

  void draw_refusal(const Field& field) {
    const auto refused = state_.refused.find(field.name);
    if (refused == state_.refused.end()) {
      const auto problem = state_.problems.find(field.name);
      if (problem != state_.problems.end()) draw_problem(field, problem->second);
      return;
    }
    draw_message(refused->second.message);
  }

  // What is not filled in yet is a hint and no error.
  void draw_problem(const Field& field, const std::string& message) const {
    const json value = form_.table->get(form_.object, field);
    if (!value.empty() && value != "") return draw_message(message);
    ImGui::PushStyleColor(ImGuiCol_Text, warning_text_color());
    ImGui::TextWrapped("%s", message.c_str());
    ImGui::PopStyleColor();
  }

  static void draw_message(const std::string& message) {
    ImGui::PushStyleColor(ImGuiCol_Text, error_text_color());
    ImGui::TextWrapped("%s", message.c_str());
    ImGui::PopStyleColor();
  }

  const FormState& state_;
  FormId id_;
  ConstProjectForm form_;
  std::string home_;
  float label_width_ = 0;  // of the longest name and the mark before it
  Actions& actions_;
};

}  // namespace

void draw_form(const State& state, FormId id, Actions& actions,
               const std::vector<std::string>& elsewhere) {
  FormDrawing(state, id, actions).draw(elsewhere);
}

void draw_form_row(const State& state, FormId id, const std::string& field, Actions& actions) {
  FormDrawing(state, id, actions).draw_one(field);
}

}  // namespace dorabooth
