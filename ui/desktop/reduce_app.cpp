// Menus, notices, undo.
#include <algorithm>

#include "ui/desktop/reduce_window.h"

namespace dorabooth {

namespace {

Effects take_step(State& state, const UndoStep& step) {
  return step.picture ? save_picture_edit(state, *step.picture) : Effects();
}

}  // namespace

void show_window(State& state, WindowId window) {
  state.window_open[static_cast<size_t>(window)] = true;
  state.focus = window;
}

Effects reduce_app(State& state, const AppAction& action) {
  return std::visit(
      Overloaded{
          [&](const ShowWindow& show) -> Effects {
            show_window(state, show.window);
            return {};
          },
          [&](const CloseWindow& close) -> Effects {
            state.window_open[static_cast<size_t>(close.window)] = false;
            return {};
          },
          [&](const ResetLayout&) -> Effects {
            state.window_open = all_windows_open();
            state.layout_reset = true;
            return {};
          },
          [&](const SetTheme& set) -> Effects {
            state.settings.theme = set.theme;
            return {};
          },
          [&](const SetScale& set) -> Effects {
            state.settings.scale = set.scale;
            return {};
          },
          [&](const WindowResized& size) -> Effects {
            state.settings.window_maximized = size.maximized;
            if (size.maximized) return {};
            state.settings.window_width = size.width;
            state.settings.window_height = size.height;
            return {};
          },
          [&](const UndoEdit&) -> Effects {
            return take_step(state, state.undo.undo(state.project));
          },
          [&](const RedoEdit&) -> Effects {
            return take_step(state, state.undo.redo(state.project));
          },
          [&](const Quit&) -> Effects { return {CloseProgram{}}; },
          [&](const DismissNotice& dismiss) -> Effects {
            std::erase_if(state.log.notices,
                          [&](const Notice& notice) { return notice.id == dismiss.id; });
            return {};
          },
          [&](const DismissAllNotices&) -> Effects {
            state.log.notices.clear();
            return {};
          },
          [&](const ShowMessages& show) -> Effects {
            state.log.filter.least = show.least;
            return {};
          },
          [&](const SearchLog& search) -> Effects {
            state.log.filter.search = search.text;
            return {};
          },
          [&](const ClearLog&) -> Effects {
            state.log.messages.clear();
            return {};
          },
          [&](const CopyLog&) -> Effects { return {CopyToClipboard{log_text(state.log)}}; },
          [&](const CopyText& copy) -> Effects { return {CopyToClipboard{copy.text}}; },
          [&](const ReportError& error) -> Effects {
            add_message(state.log, {MessageKind::kError, error.source, error.text});
            return {};
          },
      },
      action);
}

}  // namespace dorabooth
