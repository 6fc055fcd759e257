#include "ui/desktop/desk.h"

#include <algorithm>

#include "ui/desktop/reduce.h"
#include "ui/desktop/views/views.h"

namespace dorabooth {

Desk::Desk(State state, Pipelines pipelines, WindowCalls window,
           std::unique_ptr<FileDialogs> dialogs)
    : state_(std::move(state)),
      auto_save_(state_),
      runner_(std::move(pipelines), std::move(window), std::move(dialogs)) {}

Desk::~Desk() {
  for (const SaveText& file : auto_save_.due(state_, 0, /*at_once=*/true)) runner_.run(file);
}

bool Desk::advance(double seconds) {
  seconds_ = seconds;
  bool changed = false;
  runner_.poll(
      [&](JobId job, const Event& event) {
        changed = true;
        for (const Effect& effect : reduce(state_, job, event)) run(effect);
      },
      [&](const Action& action) {
        changed = true;
        act(action);
      });
  save(/*at_once=*/false);
  return changed;
}

bool Desk::draw(Widgets& widgets) {
  draw_desktop(state_, actions_, widgets);
  frame_drawn(state_);
  const std::vector<Action> actions = actions_.take();
  for (const Action& action : actions) act(action);
  return !actions.empty();
}

void Desk::act(const Action& action) {
  const Effects effects = reduce(state_, action);
  const bool trains = std::any_of(effects.begin(), effects.end(), [](const Effect& effect) {
    return std::holds_alternative<RunTraining>(effect);
  });
  // A program that dies in its first second finds the run again.
  if (trains) save(/*at_once=*/true);
  for (const Effect& effect : effects) run(effect);
}

void Desk::save(bool at_once) {
  for (const SaveText& file : auto_save_.due(state_, seconds_, at_once)) run(file);
}

void Desk::run(const Effect& effect) {
  try {
    runner_.run(effect);
  } catch (const std::exception& error) {
    reduce(state_, AppAction(ReportError{"program", error.what()}));
  }
}

}  // namespace dorabooth
