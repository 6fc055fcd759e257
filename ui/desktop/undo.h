// Undo for settings, text and pictures: snapshots of the project, and edits of pictures' captions
// and crops, in the order in which they were made. Edits of one field belong together until the
// field is left.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "pipelines/survey.h"
#include "ui/desktop/project.h"

namespace dorabooth {

struct PictureChange {
  PictureEdit before;
  PictureEdit after;
};

// What a step back or forth did to the project itself, or asks to be done to a picture.
struct UndoStep {
  bool done = false;  // false where there is nothing
  std::optional<PictureEdit> picture;
};

class Undo {
 public:
  // `before` is the project as it was; `key` names what was edited ("train/rank").
  void remember(Project before, const std::string& key);
  void remember(PictureChange change);
  // The next edit starts a step of its own, whatever its key.
  void end_edit() { key_.clear(); }
  // The bookkeeping of a run stays as it is.
  UndoStep undo(Project& project);
  UndoStep redo(Project& project);
  bool can_undo() const { return !done_.empty(); }
  bool can_redo() const { return !undone_.empty(); }

 private:
  using Entry = std::variant<std::shared_ptr<const Project>, std::shared_ptr<const PictureChange>>;

  void push(Entry entry);
  static UndoStep step(Project& project, std::vector<Entry>& from, std::vector<Entry>& to,
                       bool back);

  std::vector<Entry> done_;
  std::vector<Entry> undone_;
  std::string key_;
};

}  // namespace dorabooth
