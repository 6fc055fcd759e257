// A pipeline on a thread of its own with a mailbox of events: what a window drains once a frame.
// The only place besides the data loader where a thread is started.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <vector>

#include "pipelines/progress.h"

namespace dorabooth {

class Job {
 public:
  // `work` runs at once; the text it returns becomes FinishedEvent::summary. What it throws becomes
  // a FailedEvent; nothing leaves the thread.
  explicit Job(std::function<std::string(Progress&, std::stop_token)> work);
  // Asks the work to stop and waits for it.
  ~Job();

  // The events since the last call, in order. A preview that was not drained before the next one of
  // its cell came is replaced by it, and likewise a step: a slow reader cannot grow memory.
  std::vector<Event> drain();
  void request_stop();
  // True once the finished or failed event is in the mailbox or was drained.
  bool done() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dorabooth
