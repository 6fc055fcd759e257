// One setting of a form: the widget that fits its type.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "src/config/field_list.h"

namespace dorabooth {

struct FieldEdit {
  std::optional<nlohmann::json> value;  // what was entered, checked by nobody yet
  bool ended = false;                   // the widget was left after an edit
  bool ask_for_file = false;
};

// What kind of path a setting holds, by its name.
enum class PathKind { kNone, kFile, kFolder, kSave };
PathKind path_kind(const Field& field);

// `value` is the value that holds, or the one that was refused.
FieldEdit draw_field(const Field& field, const nlohmann::json& value);

// The value with which an optional setting starts when it is set.
nlohmann::json first_value(const Field& field);

// "at least 1; one of a, b; default 4" after the help.
std::string field_tooltip(const Field& field, const nlohmann::json& default_value);

}  // namespace dorabooth
