// A settings form drawn from a field list: a setting that is added to the list appears here by
// itself. Edits become SetField actions; a refused one is shown with its reason.
#pragma once

#include "ui/desktop/action.h"
#include "ui/desktop/state.h"

namespace dorabooth {

// The item names that tests drive: "##NAME" (the value), "##set_NAME" (whether an optional one is
// set), "Reset##NAME", "...##NAME" (asks for a file), "##NAME_0" and "Remove##NAME_0" (elements of
// a list), "Add##NAME", and "##search", "Changed only" above.
void draw_form(const State& state, FormId form, Actions& actions);

}  // namespace dorabooth
