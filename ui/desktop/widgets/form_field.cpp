#include "ui/desktop/widgets/form_field.h"

#include <imgui.h>
#include <imgui_stdlib.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "src/config/field_text.h"
#include "ui/desktop/widgets/path_text.h"

namespace dorabooth {

using nlohmann::json;

namespace {

std::string id_of(const Field& field) { return "##" + field.name; }

void note_end(FieldEdit& edit) { edit.ended = edit.ended || ImGui::IsItemDeactivatedAfterEdit(); }

FieldEdit draw_bool(const Field& field, const json& value) {
  FieldEdit edit;
  bool on = value.is_boolean() && value.get<bool>();
  if (ImGui::Checkbox(id_of(field).c_str(), &on)) {
    edit.value = on;
    edit.ended = true;
  }
  return edit;
}

FieldEdit draw_integer(const Field& field, const json& value) {
  FieldEdit edit;
  constexpr double kLargest = 9.0e15;
  int64_t number = value.is_number() ? value.get<int64_t>() : 0;
  const auto low = static_cast<int64_t>(std::max(field.minimum.value_or(-kLargest), -kLargest));
  const auto high = static_cast<int64_t>(std::min(field.maximum.value_or(kLargest), kLargest));
  const float speed = std::max(0.05F, 0.01F * static_cast<float>(std::abs(number)));
  if (ImGui::DragScalar(id_of(field).c_str(), ImGuiDataType_S64, &number, speed, &low, &high))
    edit.value = number;
  note_end(edit);
  return edit;
}

FieldEdit draw_number(const Field& field, const json& value) {
  FieldEdit edit;
  constexpr double kLargest = 1e30;
  double number = value.is_number() ? value.get<double>() : 0.0;
  const double low = field.minimum.value_or(-kLargest);
  const double high = field.maximum.value_or(kLargest);
  const auto speed = static_cast<float>(number == 0.0 ? 0.001 : std::abs(number) * 0.01);
  if (ImGui::DragScalar(id_of(field).c_str(), ImGuiDataType_Double, &number, speed, &low, &high,
                        "%.6g"))
    edit.value = number;
  note_end(edit);
  return edit;
}

FieldEdit draw_choice(const Field& field, const json& value) {
  FieldEdit edit;
  const std::string current = value.is_string() ? value.get<std::string>() : "";
  if (!ImGui::BeginCombo(id_of(field).c_str(), current.c_str())) return edit;
  for (const std::string& choice : field.choices) {
    if (!ImGui::Selectable(choice.c_str(), choice == current)) continue;
    edit.value = choice;
    edit.ended = true;
  }
  ImGui::EndCombo();
  return edit;
}

FieldEdit draw_text(const Field& field, const json& value) {
  FieldEdit edit;
  std::string text = value.is_string() ? value.get<std::string>() : "";
  if (ImGui::InputText(id_of(field).c_str(), &text)) edit.value = text;
  note_end(edit);
  if (path_kind(field) == PathKind::kNone) return edit;
  if (!text.empty()) ImGui::SetItemTooltip("%s", text.c_str());
  show_end_of_path(text);
  ImGui::SameLine();
  edit.ask_for_file = ImGui::Button(("...##" + field.name).c_str());
  ImGui::SetItemTooltip("Choose");
  return edit;
}

bool holds_paths(const Field& field) {
  return field.name == "adapter_path" || field.name == "run" || field.name == "checkpoint";
}

FieldEdit draw_text_list(const Field& field, const json& value) {
  FieldEdit edit;
  json list = value.is_array() ? value : json::array();
  // The caller leaves room for what stands behind the field.
  const float size = ImGui::GetFontSize();
  const float width = std::max(4 * size, ImGui::CalcItemWidth() - 6 * size);
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string id = field.name + "_" + std::to_string(i);
    std::string text = list[i].is_string() ? list[i].get<std::string>() : "";
    ImGui::SetNextItemWidth(width);
    if (ImGui::InputText(("##" + id).c_str(), &text)) {
      list[i] = text;
      edit.value = list;
    }
    note_end(edit);
    if (holds_paths(field)) {
      if (!text.empty()) ImGui::SetItemTooltip("%s", text.c_str());
      show_end_of_path(text);
    }
    ImGui::SameLine();
    if (!ImGui::Button(("Remove##" + id).c_str())) continue;
    list.erase(i);
    edit.value = list;
    edit.ended = true;
    break;
  }
  if (ImGui::Button(("Add##" + field.name).c_str())) {
    list.push_back("");
    edit.value = list;
    edit.ended = true;
  }
  return edit;
}

std::string joined(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  std::string text;
  if (value.is_array()) {
    for (const json& element : value) text += (text.empty() ? "" : ",") + element.dump();
  }
  return text;
}

// "0, 1, 2" as a list of numbers; the text itself where it is not one, for the check to refuse.
json parse_numbers(const std::string& text) {
  json list = json::parse("[" + text + "]", nullptr, /*allow_exceptions=*/false);
  const bool numbers = list.is_array() && std::all_of(list.begin(), list.end(),
                                                      [](const json& e) { return e.is_number(); });
  return numbers ? list : json(text);
}

FieldEdit draw_number_list(const Field& field, const json& value) {
  FieldEdit edit;
  std::string text = joined(value);
  if (ImGui::InputText(id_of(field).c_str(), &text)) edit.value = parse_numbers(text);
  note_end(edit);
  return edit;
}

}  // namespace

PathKind path_kind(const Field& field) {
  if (field.type != FieldType::kText) return PathKind::kNone;
  const std::string& name = field.name;
  if (name == "pretrained_model_name_or_path" || name.ends_with("_dir")) return PathKind::kFolder;
  if (name == "output") return PathKind::kSave;
  if (name.ends_with("_file") || name.ends_with("_path") || name == "from") return PathKind::kFile;
  return PathKind::kNone;
}

FieldEdit draw_field(const Field& field, const json& value) {
  switch (field.type) {
    case FieldType::kBool:
      return draw_bool(field, value);
    case FieldType::kInteger:
      return draw_integer(field, value);
    case FieldType::kNumber:
      return draw_number(field, value);
    case FieldType::kText:
      return field.choices.empty() ? draw_text(field, value) : draw_choice(field, value);
    case FieldType::kTextList:
      return draw_text_list(field, value);
    case FieldType::kIntegerList:
    case FieldType::kNumberList:
      return draw_number_list(field, value);
  }
  return {};
}

json first_value(const Field& field) {
  const double low = field.minimum.value_or(0.0) + (field.minimum_excluded ? 1.0 : 0.0);
  switch (field.type) {
    case FieldType::kBool:
      return true;
    case FieldType::kInteger:
      return static_cast<int64_t>(low);
    case FieldType::kNumber:
      return low;
    case FieldType::kText:
      return field.choices.empty() ? "" : field.choices.front();
    default:
      return json::array();
  }
}

std::string field_tooltip(const Field& field, const json& default_value) {
  std::string text = field.help;
  if (const std::string bounds = bounds_text(field); !bounds.empty()) text += "\n" + bounds;
  text += "\ndefault: " + (default_value.is_null() ? "not set" : default_value.dump());
  return text;
}

}  // namespace dorabooth
