// A pipeline on a thread of its own with a mailbox of events: what a window drains once a frame.
// The only place besides the data loader where a thread is started.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "pipelines/progress.h"

namespace dorabooth {

class Job {
 public:
  using Work = std::function<std::string(Progress&, std::stop_token)>;

  // `work` runs at once, at a lower priority than the thread that made the job (and so do the
  // threads that it starts); the text it returns becomes FinishedEvent::summary. What it throws
  // becomes a FailedEvent; nothing leaves the thread. `wake` is called on the job's thread after
  // an event came into an empty mailbox, so that a window that waits for input looks into it.
  explicit Job(Work work, std::function<void()> wake = {});
  // Asks the work to stop and waits for it.
  ~Job();

  // The events since the last call, in order. A preview that was not drained before the next one of
  // its cell came is replaced by it, and likewise a step without values (those are points of
  // curves): a slow reader hardly grows memory.
  std::vector<Event> drain();
  // Also ends a pause.
  void request_stop();
  // The work is held inside its next Progress::on, after the event was delivered, until resume() or
  // request_stop().
  void pause();
  void resume();
  bool paused() const;
  // True once the finished or failed event is in the mailbox or was drained.
  bool done() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dorabooth
