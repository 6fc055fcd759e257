// A mutex guards the mailbox; the thread is a jthread, so that destruction asks it to stop and
// waits.
#include "pipelines/job.h"

#include <atomic>
#include <mutex>
#include <thread>

namespace dorabooth {

struct Job::State : Progress {
  std::mutex mutex;
  std::vector<Event> mailbox;
  std::atomic<bool> done = false;
  std::jthread thread;

  void on(const Event& event) override {
    const std::lock_guard lock(mutex);
    for (Event& waiting : mailbox) {
      if (!replaces(event, waiting)) continue;
      waiting = event;
      return;
    }
    mailbox.push_back(event);
  }

  static bool replaces(const Event& event, const Event& waiting) {
    if (const auto* preview = std::get_if<PreviewEvent>(&event)) {
      const auto* old = std::get_if<PreviewEvent>(&waiting);
      return old && old->row == preview->row && old->column == preview->column;
    }
    return std::holds_alternative<StepEvent>(event) && std::holds_alternative<StepEvent>(waiting);
  }
};

Job::Job(std::function<std::string(Progress&, std::stop_token)> work)
    : state_(std::make_unique<State>()) {
  State* state = state_.get();
  state->thread = std::jthread([state, work = std::move(work)](std::stop_token stop) {
    try {
      state->on(FinishedEvent{work(*state, stop)});
    } catch (const std::exception& error) {
      state->on(FailedEvent{error.what()});
    } catch (...) {
      state->on(FailedEvent{"an unknown error ended the job"});
    }
    state->done = true;
  });
}

Job::~Job() = default;

std::vector<Event> Job::drain() {
  const std::lock_guard lock(state_->mutex);
  return std::exchange(state_->mailbox, {});
}

void Job::request_stop() { state_->thread.request_stop(); }

bool Job::done() const { return state_->done; }

}  // namespace dorabooth
