// Ctrl-C and SIGTERM as a stop token: the first asks the pipeline to save and stop, the second
// kills.
#pragma once

#include <stop_token>

namespace dorabooth {

// Installs the handlers for its lifetime; one at a time in a process.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  std::stop_token token() const { return source_.get_token(); }

 private:
  std::stop_source source_;
};

}  // namespace dorabooth
