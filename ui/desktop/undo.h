// Undo for settings and text: snapshots of the project. Edits of one field belong together until
// the field is left.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ui/desktop/project.h"

namespace dorabooth {

class Undo {
 public:
  // `before` is the project as it was; `key` names what was edited ("train/rank").
  void remember(Project before, const std::string& key);
  // The next edit starts a step of its own, whatever its key.
  void end_edit() { key_.clear(); }
  // Steps back or forth; false where there is nothing. The bookkeeping of a run stays as it is.
  bool undo(Project& project);
  bool redo(Project& project);
  bool can_undo() const { return !done_.empty(); }
  bool can_redo() const { return !undone_.empty(); }

 private:
  std::vector<Project> done_;
  std::vector<Project> undone_;
  std::string key_;
};

}  // namespace dorabooth
