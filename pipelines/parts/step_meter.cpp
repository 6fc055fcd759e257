// Mean time a step since the start: what a progress line shows.
#include "pipelines/parts/step_meter.h"

namespace dorabooth {

StepMeter::StepMeter(Progress& progress, const std::string& what, int64_t total)
    : progress_(progress), total_(total), start_(std::chrono::steady_clock::now()) {
  progress_.on(StartedEvent{what, total});
}

void StepMeter::step(std::vector<std::pair<std::string, double>> values) {
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start_;
  StepEvent event;
  event.step = ++done_;
  event.total = total_;
  event.values = std::move(values);
  event.seconds_per_step = elapsed.count() / static_cast<double>(done_);
  event.seconds_left = event.seconds_per_step * static_cast<double>(total_ - done_);
  progress_.on(event);
}

}  // namespace dorabooth
