// The handler asks the stop source itself: pipelines poll the token and register no callbacks, so
// that request_stop is a few atomic operations.
#include "ui/cli/stop_signals.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

namespace dorabooth {

namespace {

// A signal handler can reach nothing but a global.
std::atomic<std::stop_source*> active_source{nullptr};

constexpr int kSignals[] = {SIGINT, SIGTERM};

void set_handlers(void (*handler)(int)) {
  for (const int number : kSignals) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigaction(number, &action, nullptr);
  }
}

void on_signal(int) {
  set_handlers(SIG_DFL);
  static constexpr char kText[] = "\nstopping after this step; once more ends it at once\n";
  if (std::stop_source* source = active_source.load()) source->request_stop();
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, kText, sizeof(kText) - 1);
}

}  // namespace

StopSignals::StopSignals() {
  active_source.store(&source_);
  set_handlers(on_signal);
}

StopSignals::~StopSignals() {
  set_handlers(SIG_DFL);
  active_source.store(nullptr);
}

}  // namespace dorabooth
