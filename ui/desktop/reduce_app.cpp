// Menus, notices, undo.
#include <algorithm>

#include "ui/desktop/heavy_jobs.h"
#include "ui/desktop/reduce_window.h"

namespace dorabooth {

namespace {

Effects take_step(State& state, const UndoStep& step) {
  return step.picture ? save_picture_edit(state, *step.picture) : Effects();
}

Effects quit(State& state) {
  if (!any_heavy_active(state.jobs)) return {CloseProgram{}};
  state.closing = Closing::kAsking;
  return {};
}

Effects stop_and_quit(State& state) {
  state.closing = Closing::kStopping;
  Effects effects = reduce_train(state, StopTraining{});
  for (Effect& effect : reduce_compare(state, StopCompare{})) effects.push_back(std::move(effect));
  for (Effect& effect : reduce_export(state, StopMerge{})) effects.push_back(std::move(effect));
  for (Effect& effect : reduce_convert(state, StopConvert{})) effects.push_back(std::move(effect));
  for (Effect& effect : reduce_analyze(state, StopAnalyze{})) effects.push_back(std::move(effect));
  if (!any_heavy_active(state.jobs)) effects.push_back(CloseProgram{});
  return effects;
}

Effects quit_when_done(State& state) {
  state.closing = Closing::kWaiting;
  if (!any_heavy_active(state.jobs)) return {CloseProgram{}};
  return reduce_train(state, ResumeTraining{});  // a pause would never end
}

}  // namespace

void show_window(State& state, WindowId window) {
  state.window_open[static_cast<size_t>(window)] = true;
  state.focus = window;
}

Effects close_after_job(State& state, bool failed) {
  if (state.closing != Closing::kStopping && state.closing != Closing::kWaiting) return {};
  // Its error is to be read.
  if (failed) state.closing = Closing::kNo;
  if (failed || any_heavy_active(state.jobs)) return {};
  return {CloseProgram{}};
}

bool is_refused(State& state, JobId wanted) {
  const std::string reason = what_is_in_the_way(state.jobs, wanted);
  if (!reason.empty()) add_message(state.log, {MessageKind::kWarning, job_text(wanted), reason});
  return !reason.empty();
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
          [&](const Quit&) { return quit(state); },
          [&](const StopAndQuit&) { return stop_and_quit(state); },
          [&](const QuitWhenDone&) { return quit_when_done(state); },
          [&](const StayOpen&) -> Effects {
            state.closing = Closing::kNo;
            return {};
          },
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
