// What survives the end of the program, in the user's config folder: settings.json, and the
// project, saved by itself.
#pragma once

#include <string>
#include <vector>

#include "ui/desktop/effect.h"
#include "ui/desktop/state.h"

namespace dorabooth {

// $XDG_CONFIG_HOME/dorabooth or ~/.config/dorabooth, and the folders beside the running program.
Places find_places();

std::string settings_path(const Places& places);
std::string default_project_path(const Places& places);
// The name has a version: an incompatible layout is ignored, not half applied.
std::string layout_path(const Places& places);

// Settings as they are in a default-made struct, but results in a folder of the user's.
Project new_project(const Places& places);

// The state of the last time; `project_path` "" is the auto-saved one. A file that cannot be read
// is set aside beside itself and reported in the log.
State restore_state(const Places& places, const std::string& project_path);

class AutoSave {
 public:
  // `state` is what the files hold.
  explicit AutoSave(const State& state);
  // The files to write so that they hold `state`; at most once a second unless `at_once`.
  std::vector<SaveText> due(const State& state, double seconds, bool at_once = false);

 private:
  std::string settings_;
  std::string project_;
  double last_ = -1e9;
};

}  // namespace dorabooth
