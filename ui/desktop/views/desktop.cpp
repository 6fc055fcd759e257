// All windows, the menu bar above them and what lies over them.
#include <imgui.h>

#include "ui/desktop/layout.h"
#include "ui/desktop/menu.h"
#include "ui/desktop/views/analyze.h"
#include "ui/desktop/views/close_question.h"
#include "ui/desktop/views/compare.h"
#include "ui/desktop/views/dataset.h"
#include "ui/desktop/views/export.h"
#include "ui/desktop/views/inspect.h"
#include "ui/desktop/views/log.h"
#include "ui/desktop/views/start.h"
#include "ui/desktop/views/train.h"
#include "ui/desktop/views/views.h"
#include "ui/desktop/widgets/notice.h"
#include "ui/desktop/widgets/picker.h"

namespace dorabooth {

View view_of(WindowId window) {
  switch (window) {
    case WindowId::kStart:
      return draw_start;
    case WindowId::kDataset:
      return draw_dataset;
    case WindowId::kTrain:
      return draw_train;
    case WindowId::kCompare:
      return draw_compare;
    case WindowId::kExport:
      return draw_export;
    case WindowId::kAnalyze:
      return draw_analyze;
    case WindowId::kInspect:
      return draw_inspect;
    case WindowId::kLog:
      return draw_log;
  }
  return draw_start;
}

void draw_desktop(const State& state, Actions& actions, Widgets& widgets) {
  draw_menu_bar(state, actions);
  draw_dock_space(state.layout_reset);
  for (const WindowId window : kWindows) {
    if (!state.window_open[static_cast<size_t>(window)]) continue;
    bool open = true;
    if (state.focus == window) ImGui::SetNextWindowFocus();
    if (ImGui::Begin(window_title(window), &open)) view_of(window)(state, actions, widgets);
    ImGui::End();
    if (!open) actions.add(AppAction(CloseWindow{window}));
  }
  draw_picker(state, actions);
  draw_notices(state, actions);
  draw_close_question(state, actions);
}

}  // namespace dorabooth
