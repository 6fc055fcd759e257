// What a running command shows: one line with smoothed losses, step, speed, memory and time left
// that redraws itself on a terminal, sparse lines where the output is a file, and messages above
// it.
#pragma once

#include <chrono>
#include <map>
#include <ostream>
#include <string>

#include "pipelines/progress.h"

namespace dorabooth {

// Weight of what came before in the losses of the line.
constexpr double kLossSmoothing = 0.9;

// Exponential means of the losses of a run, corrected for their start: the weight of the value k
// steps ago is proportional to kLossSmoothing^k.
class SmoothedLosses {
 public:
  // The event with every "loss" and "loss/NAME" replaced by its mean so far.
  StepEvent take(StepEvent event);

 private:
  struct Mean {
    double sum = 0.0;
    double weights = 0.0;
  };
  std::map<std::string, Mean> means_;
};

// "loss lora 0.0834, dora 0.0831   40/150   lr 0.002   3.2 images/s   1.9 GB   left 1:52"
std::string step_text(const StepEvent& event);
// "0:07", "12:30", "3:05:00"
std::string duration_text(double seconds);

class ProgressLine : public Progress {
 public:
  // columns: the terminal's width; 0: `out` is no terminal.
  ProgressLine(std::ostream& out, int columns);
  // Leaves the cursor at the start of an empty line.
  ~ProgressLine() override;
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void on(const Event& event) override;
  // A message above the line.
  void message(const std::string& text);

 private:
  using Clock = std::chrono::steady_clock;

  void on_step(const StepEvent& event);
  void draw(const std::string& text);
  void clear();

  std::ostream& out_;
  int columns_ = 0;
  std::string what_;
  SmoothedLosses losses_;
  std::string shown_;
  Clock::time_point last_{};
  bool any_step_ = false;
};

// Width of the terminal that standard error is; 0 if it is none.
int standard_error_columns();

}  // namespace dorabooth
