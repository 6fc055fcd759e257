// A mutex guards the mailbox; the thread is a jthread, so that destruction asks it to stop and
// waits.
#include "pipelines/job.h"

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace dorabooth {

namespace {

constexpr int kNicer = 10;

// On Linux a nice value belongs to a thread and is inherited by the threads that it starts: OpenMP
// makes a pool for each thread that opens a parallel region.
void lower_priority_of_this_thread() {
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), getpriority(PRIO_PROCESS, 0) + kNicer);
}

bool replaces(const Event& event, const Event& waiting) {
  if (const auto* preview = std::get_if<PreviewEvent>(&event)) {
    const auto* old = std::get_if<PreviewEvent>(&waiting);
    return old && old->row == preview->row && old->column == preview->column;
  }
  const auto* step = std::get_if<StepEvent>(&event);
  const auto* old = std::get_if<StepEvent>(&waiting);
  return step && old && step->values.empty() && old->values.empty();
}

}  // namespace

struct Job::State : Progress {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::vector<Event> mailbox;
  bool paused = false;
  std::atomic<bool> done = false;
  std::function<void()> wake;
  std::stop_token stop;
  std::jthread thread;

  void on(const Event& event) override {
    deliver(event);
    std::unique_lock lock(mutex);
    changed.wait(lock, stop, [this] { return !paused; });
  }

  void deliver(const Event& event) {
    bool first = false;
    {
      const std::lock_guard lock(mutex);
      first = mailbox.empty();
      put(event);
    }
    if (first && wake) wake();
  }

  void put(const Event& event) {
    // What was started later does not send its steps before its start.
    for (auto waiting = mailbox.rbegin(); waiting != mailbox.rend(); ++waiting) {
      if (std::holds_alternative<StartedEvent>(*waiting)) break;
      if (!replaces(event, *waiting)) continue;
      *waiting = event;
      return;
    }
    mailbox.push_back(event);
  }

  void set_paused(bool value) {
    {
      const std::lock_guard lock(mutex);
      paused = value;
    }
    changed.notify_all();
  }
};

Job::Job(Work work, std::function<void()> wake) : state_(std::make_unique<State>()) {
  State* state = state_.get();
  state->wake = std::move(wake);
  state->thread = std::jthread([state, work = std::move(work)](std::stop_token stop) {
    lower_priority_of_this_thread();
    state->stop = stop;
    Event last;
    try {
      last = FinishedEvent{work(*state, stop)};
    } catch (const std::exception& error) {
      last = FailedEvent{error.what()};
    } catch (...) {
      last = FailedEvent{"an unknown error ended the job"};
    }
    {
      const std::lock_guard lock(state->mutex);
      state->put(last);
      state->done = true;
    }
    if (state->wake) state->wake();
  });
}

Job::~Job() = default;

std::vector<Event> Job::drain() {
  const std::lock_guard lock(state_->mutex);
  return std::exchange(state_->mailbox, {});
}

void Job::request_stop() { state_->thread.request_stop(); }

void Job::pause() { state_->set_paused(true); }

void Job::resume() { state_->set_paused(false); }

bool Job::paused() const {
  const std::lock_guard lock(state_->mutex);
  return state_->paused;
}

bool Job::done() const { return state_->done; }

}  // namespace dorabooth
