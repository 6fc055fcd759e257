// The one place where the state changes: pure functions from an action, or a job's event, to the
// new state and to what should be done outside it.
#pragma once

#include "pipelines/progress.h"
#include "ui/desktop/action.h"
#include "ui/desktop/effect.h"
#include "ui/desktop/state.h"

namespace dorabooth {

Effects reduce(State& state, const Action& action);
Effects reduce(State& state, JobId job, const Event& event);
// A frame has shown the state: what was asked of that one frame is done.
void frame_drawn(State& state);

}  // namespace dorabooth
