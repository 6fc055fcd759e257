// The pipelines that the desktop program's jobs run.
#pragma once

#include "ui/desktop/effect_runner.h"

namespace dorabooth {

Pipelines desktop_pipelines();

}  // namespace dorabooth
