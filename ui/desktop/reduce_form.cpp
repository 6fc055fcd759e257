// Edits are checked by the field list, as flags and config files are; a refused one is kept beside
// the value that still holds, with the reason.
#include <nlohmann/json.hpp>

#include "src/base/error.h"
#include "ui/desktop/reduce_window.h"

namespace dorabooth {

namespace {

void set_field(State& state, const SetField& edit) {
  const ProjectForm form = project_form(state.project, edit.form);
  auto& refused = state.form(edit.form).refused;
  try {
    form.table->set(form.object, form.table->at(edit.field), edit.value, edit.field);
    refused.erase(edit.field);
  } catch (const UsageError& error) {
    refused[edit.field] = {edit.value, error.what()};
    return;
  }
  if (edit.field == "pretrained_model_name_or_path")
    set_base(state.project, edit.value.get<std::string>());
}

}  // namespace

Effects reduce_form(State& state, const FormAction& action) {
  std::visit(
      Overloaded{
          [&](const SetField& edit) { set_field(state, edit); },
          [&](const ResetField& reset) {
            const ConstProjectForm form = project_form(std::as_const(state.project), reset.form);
            const Field& field = form.table->at(reset.field);
            set_field(state, {reset.form, reset.field, form.table->get(form.defaults, field)});
            state.undo.end_edit();
          },
          [&](const EndEdit&) { state.undo.end_edit(); },
          [&](const SearchForm& search) { state.form(search.form).search = search.text; },
          [&](const ShowChangedOnly& show) { state.form(show.form).changed_only = show.on; },
      },
      action);
  return {};
}

}  // namespace dorabooth
