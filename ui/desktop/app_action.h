// Actions that belong to no single window: menus, notices, undo.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "ui/desktop/log_state.h"
#include "ui/desktop/window_id.h"

namespace dorabooth {

// --- menus ---
struct ShowWindow {
  WindowId window = WindowId::kStart;
};
struct CloseWindow {
  WindowId window = WindowId::kStart;
};
struct ResetLayout {};
struct SetTheme {
  std::string theme;
};
struct SetScale {
  double scale = 0.0;
};
struct WindowResized {
  int width = 0;
  int height = 0;
  bool maximized = false;
};
struct UndoEdit {};
struct RedoEdit {};
// Closes the program; asks first while a heavy job runs.
struct Quit {};
// --- answers to that question ---
struct StopAndQuit {};
struct QuitWhenDone {};
struct StayOpen {};

// --- messages ---
struct DismissNotice {
  int64_t id = 0;
};
struct DismissAllNotices {};
struct CopyText {
  std::string text;
};
struct ShowMessages {
  MessageKind least = MessageKind::kInfo;
};
struct SearchLog {
  std::string text;
};
struct ClearLog {};
struct CopyLog {};  // the shown messages
// Something went wrong outside a job: a file that cannot be read, a dialog that cannot be opened.
struct ReportError {
  std::string source;
  std::string text;
};

using AppAction = std::variant<ShowWindow, CloseWindow, ResetLayout, SetTheme, SetScale,
                               WindowResized, UndoEdit, RedoEdit, Quit, StopAndQuit, QuitWhenDone,
                               StayOpen, DismissNotice, DismissAllNotices, CopyText, ShowMessages,
                               SearchLog, ClearLog, CopyLog, ReportError>;

}  // namespace dorabooth
