#include "ui/desktop/file_queue.h"

#include <exception>

namespace dorabooth {

FileQueue::~FileQueue() {
  job_.reset();
  do_waiting(waiting_);
}

void FileQueue::add(std::function<void()> work) {
  waiting_.push_back(std::move(work));
  poll();
}

void FileQueue::poll() {
  if (waiting_.empty() || (job_ && !job_->done())) return;
  job_ = std::make_unique<Job>(
      [this, works = std::exchange(waiting_, {})](Progress&, std::stop_token) {
        do_waiting(works);
        return std::string();
      });
}

void FileQueue::do_waiting(const std::deque<std::function<void()>>& works) {
  for (const auto& work : works) {
    try {
      work();
    } catch (const std::exception& error) {
      mailbox_.post(AppAction(ReportError{"files", error.what()}));
    }
  }
}

}  // namespace dorabooth
