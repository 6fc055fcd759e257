// A settings form drawn from a field list: a setting that is added to the list appears here by
// itself. Edits become SetField actions; a refused one is shown with its reason.
#pragma once

#include <string>
#include <vector>

#include "ui/desktop/action.h"
#include "ui/desktop/state.h"

namespace dorabooth {

// The item names that tests drive: "##NAME" (the value), "##set_NAME" (whether an optional one is
// set), "Reset##NAME", "...##NAME" (asks for a file), "##NAME_0" and "Remove##NAME_0" (elements of
// a list), "Add##NAME", and "##search", "Changed only" above.
// Settings in `elsewhere` are drawn by the view itself.
void draw_form(const State& state, FormId form, Actions& actions,
               const std::vector<std::string>& elsewhere = {});
// One setting of the form, wherever the view wants it.
void draw_form_row(const State& state, FormId form, const std::string& field, Actions& actions);

}  // namespace dorabooth
