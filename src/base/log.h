// The library's log sink: messages go to whoever called the pipeline, never to a stream.
#pragma once

#include <functional>
#include <string>

namespace dorabooth {

enum class LogLevel { kInfo, kWarning };

// Passed by reference down the call chain; a default-made Log drops what it is given.
class Log {
 public:
  using Sink = std::function<void(LogLevel, const std::string&)>;

  Log() = default;
  explicit Log(Sink sink) : sink_(std::move(sink)) {}

  void info(const std::string& text) const { write(LogLevel::kInfo, text); }
  void warning(const std::string& text) const { write(LogLevel::kWarning, text); }

 private:
  void write(LogLevel level, const std::string& text) const {
    if (sink_) sink_(level, text);
  }

  Sink sink_;
};

}  // namespace dorabooth
