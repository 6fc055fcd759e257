#include "ui/desktop/undo.h"

namespace dorabooth {

namespace {

constexpr size_t kKept = 200;

bool step(Project& project, std::vector<Project>& from, std::vector<Project>& to) {
  if (from.empty()) return false;
  Project next = std::move(from.back());
  from.pop_back();
  next.unfinished_run = project.unfinished_run;
  next.trained_adapters = project.trained_adapters;
  to.push_back(std::exchange(project, std::move(next)));
  return true;
}

}  // namespace

void Undo::remember(Project before, const std::string& key) {
  undone_.clear();
  if (!key.empty() && key == key_) return;
  key_ = key;
  if (done_.size() == kKept) done_.erase(done_.begin());
  done_.push_back(std::move(before));
}

bool Undo::undo(Project& project) {
  end_edit();
  return step(project, done_, undone_);
}

bool Undo::redo(Project& project) {
  end_edit();
  return step(project, undone_, done_);
}

}  // namespace dorabooth
