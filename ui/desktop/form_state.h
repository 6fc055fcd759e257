// What a settings form shows beside its values: the search text and the edits that were refused.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

namespace dorabooth {

// Which request a form edits; project_form() in project.h gives its fields and its struct.
enum class FormId { kTrain, kCompare, kMerge, kConvert, kAnalyze };

struct RefusedEdit {
  nlohmann::json value;  // what was asked for: shown in place of the value that still holds
  std::string message;
};

struct FormState {
  std::string search;
  bool changed_only = false;                   // shows the settings that differ from the default
  std::map<std::string, RefusedEdit> refused;  // by field
  // What a check of the whole request found, by field; it stands under the field.
  std::map<std::string, std::string> problems;
};

}  // namespace dorabooth
