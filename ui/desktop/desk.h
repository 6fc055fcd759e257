// The program without its window: the state, what drives it, and what draws it. A frame is
// advance(), then draw().
#pragma once

#include <memory>

#include "ui/desktop/effect_runner.h"
#include "ui/desktop/persistence.h"
#include "ui/desktop/state.h"
#include "ui/desktop/widgets/widgets.h"

namespace dorabooth {

class Desk {
 public:
  Desk(State state, Pipelines pipelines, WindowCalls window, std::unique_ptr<FileDialogs> dialogs);
  // Writes what is not yet saved.
  ~Desk();

  // Takes what jobs, files and dialogs brought; true if anything changed. Saves the project when
  // that is due. `seconds` is any clock that only grows.
  bool advance(double seconds);
  // Draws all windows between ImGui's NewFrame and Render, then does what they asked for; true if
  // they asked for anything.
  bool draw(Widgets& widgets);
  void act(const Action& action);
  void run(const Effect& effect);

  const State& state() const { return state_; }
  // advance() has something to do then, whatever else happens.
  double seconds_to_timer() const { return runner_.seconds_to_timer(); }

 private:
  void save(bool at_once);

  State state_;
  AutoSave auto_save_;
  EffectRunner runner_;
  Actions actions_;
  double seconds_ = 0.0;  // of the last advance()
};

}  // namespace dorabooth
