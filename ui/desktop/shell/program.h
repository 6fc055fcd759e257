// The desktop program around its window: opened, then frames as long as it is open.
#pragma once

#include <functional>

#include "ui/desktop/desk.h"
#include "ui/desktop/shell/options.h"

namespace dorabooth {

// What a driver of the program may add; the program itself has none of them.
struct ProgramHooks {
  // ImGui's context is there, no frame is drawn yet.
  std::function<void(Desk&)> opened;
  // A frame was shown; true: another one at once.
  std::function<bool(Desk&)> shown;
  // ImGui's context is about to go.
  std::function<void()> closing;
};

// Until the window is closed. Throws what opening it throws.
void run_program(const DesktopOptions& options, const ProgramHooks& hooks = {});

}  // namespace dorabooth
