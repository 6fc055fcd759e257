// The Export window's second half: an adapter written again for another program, and the proof of
// what each program computes from it.
#pragma once

#include "ui/desktop/action.h"
#include "ui/desktop/state.h"

namespace dorabooth {

void draw_export_convert(const State& state, Actions& actions);

}  // namespace dorabooth
