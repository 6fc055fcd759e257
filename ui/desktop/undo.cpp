// Two stacks; a step moves an entry from one to the other.
#include "ui/desktop/undo.h"

namespace dorabooth {

namespace {

constexpr size_t kKept = 200;

}  // namespace

void Undo::push(Entry entry) {
  undone_.clear();
  if (done_.size() == kKept) done_.erase(done_.begin());
  done_.push_back(std::move(entry));
}

void Undo::remember(Project before, const std::string& key) {
  if (!key.empty() && key == key_) {
    undone_.clear();
    return;
  }
  key_ = key;
  push(std::make_shared<const Project>(std::move(before)));
}

void Undo::remember(PictureChange change) {
  end_edit();
  push(std::make_shared<const PictureChange>(std::move(change)));
}

UndoStep Undo::step(Project& project, std::vector<Entry>& from, std::vector<Entry>& to, bool back) {
  if (from.empty()) return {};
  Entry entry = std::move(from.back());
  from.pop_back();
  if (const auto* saved = std::get_if<std::shared_ptr<const Project>>(&entry)) {
    Project next = **saved;
    next.unfinished_run = project.unfinished_run;
    next.trained_adapters = project.trained_adapters;
    to.push_back(std::make_shared<const Project>(std::exchange(project, std::move(next))));
    return {true, std::nullopt};
  }
  const auto change = std::get<std::shared_ptr<const PictureChange>>(entry);
  to.push_back(std::move(entry));
  return {true, back ? change->before : change->after};
}

UndoStep Undo::undo(Project& project) {
  end_edit();
  return step(project, done_, undone_, /*back=*/true);
}

UndoStep Undo::redo(Project& project) {
  end_edit();
  return step(project, undone_, done_, /*back=*/false);
}

}  // namespace dorabooth
