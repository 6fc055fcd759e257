// The real window: GLFW, OpenGL 3, ImGui and ImPlot, and what it tells the program. Main thread
// only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ui/desktop/settings.h"
#include "ui/desktop/widgets/key_order.h"

struct GLFWwindow;

namespace dorabooth {

struct WindowEvents {
  std::function<void()> input;  // keys, mouse, focus, exposure: something may look different now
  std::function<void(std::vector<std::string>)> dropped;
  std::function<void(int width, int height, bool maximized)> resized;
};

class Window {
 public:
  // Throws one sentence if there is no display or no OpenGL 3.
  Window(const Settings& settings, const std::string& assets, const std::string& layout_path);
  ~Window();
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;

  void on(WindowEvents events) { events_ = std::move(events); }
  // Once for each time that it was asked to close, by its button or by the desktop.
  bool asked_to_close();
  bool iconified() const;
  // Brought back if it was iconified: there is a question to be answered.
  void come_forward();
  // Handles what came, waiting up to `seconds` for it.
  void wait(double seconds);
  // Seconds since the window library started.
  static double now();
  // Ends a wait; from any thread.
  static void wake();

  // `scale` 0 is the screen's own.
  void begin_frame(const std::string& theme, double scale);
  void end_frame();
  // The layout of the windows, if it changed since the last call and should be saved; else "".
  std::string changed_layout();
  // The layout as it is: at the end, when a change may be too young for changed_layout().
  std::string layout() const;

  static Window& of(GLFWwindow* window);
  void tell_input() {
    if (events_.input) events_.input();
  }
  WindowEvents& events() { return events_; }

 private:
  GLFWwindow* window_ = nullptr;
  WindowEvents events_;
  std::string theme_;
  float scale_ = 0;
  KeyOrder key_order_;
};

}  // namespace dorabooth
