// Edits in the forms that are drawn from field lists.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <variant>

#include "ui/desktop/form_state.h"

namespace dorabooth {

struct SetField {
  FormId form = FormId::kTrain;
  std::string field;
  nlohmann::json value;
};
// Back to the default.
struct ResetField {
  FormId form = FormId::kTrain;
  std::string field;
};
// The field was left: the next edit is an undo step of its own.
struct EndEdit {};
struct SearchForm {
  FormId form = FormId::kTrain;
  std::string text;
};
struct ShowChangedOnly {
  FormId form = FormId::kTrain;
  bool on = false;
};

using FormAction = std::variant<SetField, ResetField, EndEdit, SearchForm, ShowChangedOnly>;

}  // namespace dorabooth
