// When to draw: three frames after any input (hovering and layout settle over frames), one more
// half a second later for tooltips, at most twenty a second for what jobs bring, none at all when
// nothing moves or the window is iconified.
#pragma once

#include <algorithm>

namespace dorabooth {

class FramePacer {
 public:
  static constexpr double kIdle = 0.5;          // seconds between looks at the mailbox
  static constexpr double kJobInterval = 0.05;  // seconds between frames that jobs ask for

  void on_input(double now) {
    frames_ = 3;
    late_ = now + kIdle;
  }
  // A job, a file or a texture brought something to show.
  void on_change() { changed_ = true; }
  void set_iconified(bool iconified) { iconified_ = iconified; }

  bool should_draw(double now) const {
    if (iconified_) return false;
    return frames_ > 0 || (changed_ && now - last_ >= kJobInterval) || now >= late_;
  }
  void on_drawn(double now) {
    last_ = now;
    frames_ = std::max(0, frames_ - 1);
    changed_ = false;
    if (now >= late_) late_ = kNever;
  }
  // How long to wait for input; 0: only look.
  double wait_seconds(double now) const {
    if (iconified_) return kIdle;
    if (frames_ > 0) return 0;
    double wait = std::min(kIdle, late_ - now);
    if (changed_) wait = std::min(wait, last_ + kJobInterval - now);
    return std::max(0.0, wait);
  }

 private:
  static constexpr double kNever = 1e18;
  int frames_ = 3;
  double last_ = -1e9;
  double late_ = kNever;
  bool changed_ = false;
  bool iconified_ = false;
};

}  // namespace dorabooth
