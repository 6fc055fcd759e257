// Actions that jobs bring, from any thread.
#pragma once

#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "ui/desktop/action.h"

namespace dorabooth {

class ActionMailbox {
 public:
  explicit ActionMailbox(std::function<void()> wake) : wake_(std::move(wake)) {}

  void post(Action action) {
    {
      const std::lock_guard lock(mutex_);
      actions_.push_back(std::move(action));
    }
    if (wake_) wake_();
  }
  std::vector<Action> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(actions_, {});
  }

 private:
  std::function<void()> wake_;
  std::mutex mutex_;
  std::vector<Action> actions_;
};

}  // namespace dorabooth
