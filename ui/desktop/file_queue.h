// Reading and writing of small files, one after the other on a job, so that no frame waits for a
// disk.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "pipelines/job.h"
#include "ui/desktop/action_mailbox.h"

namespace dorabooth {

class FileQueue {
 public:
  explicit FileQueue(ActionMailbox& mailbox) : mailbox_(mailbox) {}
  // Does what is still waiting before it returns.
  ~FileQueue();

  // What `work` throws becomes a ReportError.
  void add(std::function<void()> work);
  // Starts the next work where the last one is done.
  void poll();

 private:
  void do_waiting(const std::deque<std::function<void()>>& works);

  ActionMailbox& mailbox_;
  std::deque<std::function<void()>> waiting_;
  std::unique_ptr<Job> job_;
};

}  // namespace dorabooth
