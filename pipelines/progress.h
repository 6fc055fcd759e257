// What a running pipeline tells its caller: events in order, on the thread that runs the pipeline.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "src/base/image.h"
#include "src/base/log.h"

namespace dorabooth {

struct StartedEvent {
  std::string what;   // "train", "sample", …
  int64_t total = 0;  // steps, pictures or tensors to come
};

struct StepEvent {
  int64_t step = 0;  // finished so far, of `total`
  int64_t total = 0;
  std::vector<std::pair<std::string, double>>
      values;  // "loss/lora", "loss/dora", "lr", "grad_norm"
  double seconds_per_step = 0.0;
  double seconds_left = 0.0;
};

// A finished picture of a grid; rows and columns count from 0.
struct PreviewEvent {
  int64_t row = 0;
  int64_t column = 0;
  std::string row_label;
  std::string column_label;
  Image image;
  int64_t step = 0;  // of the training that it is a preview of
};

struct LogEvent {
  LogLevel level = LogLevel::kInfo;
  std::string text;
};

struct SavedEvent {
  std::string path;
};

struct FinishedEvent {
  std::string summary;
};

struct FailedEvent {
  std::string message;
};

using Event = std::variant<StartedEvent, StepEvent, PreviewEvent, LogEvent, SavedEvent,
                           FinishedEvent, FailedEvent>;

class Progress {
 public:
  virtual ~Progress() = default;
  virtual void on(const Event& event) = 0;
};

// A Log that writes into `progress`, which must outlive it.
inline Log log_to(Progress& progress) {
  return Log([&progress](LogLevel level, const std::string& text) {
    progress.on(LogEvent{level, text});
  });
}

}  // namespace dorabooth
