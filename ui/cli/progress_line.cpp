// Redraws with a carriage return and "erase to the end of the line"; no other control sequences.
#include "ui/cli/progress_line.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <sstream>

#include "src/base/atomic_file.h"

namespace dorabooth {

namespace {

constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr auto kSparse = std::chrono::seconds(10);
constexpr int kBarWidth = 20;

std::string number_text(double value) {
  std::ostringstream out;
  out << std::setprecision(value != 0.0 && std::abs(value) < 1e-3 ? 3 : 4) << value;
  return out.str();
}

std::string losses_text(const StepEvent& event) {
  std::string text;
  for (const auto& [name, value] : event.values) {
    if (name == "loss") text += (text.empty() ? "loss " : ", ") + number_text(value);
    if (name.rfind("loss/", 0) == 0)
      text += (text.empty() ? "loss " : ", ") + name.substr(5) + " " + number_text(value);
  }
  return text;
}

// Peaks; with a GPU its memory first.
std::string memory_text(const StepEvent& event) {
  std::string text;
  for (const auto& [name, value] : event.values) {
    const auto bytes = static_cast<uint64_t>(std::max(0.0, value) * (1 << 20));
    if (name == "peak_device_memory_mb") text = "   GPU " + bytes_text(bytes) + text;
    if (name == "peak_memory_mb") text += "   " + bytes_text(bytes);
  }
  return text;
}

std::string bar_text(int64_t step, int64_t total) {
  const double share = total > 0 ? static_cast<double>(step) / static_cast<double>(total) : 0.0;
  const auto full = static_cast<size_t>(std::clamp(share, 0.0, 1.0) * kBarWidth);
  return "[" + std::string(full, '=') + std::string(kBarWidth - full, ' ') + "] ";
}

}  // namespace

std::string duration_text(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(std::max(0.0, seconds)));
  std::ostringstream out;
  out << std::setfill('0');
  if (whole >= 3600) out << whole / 3600 << ':' << std::setw(2);
  out << whole / 60 % 60 << ':' << std::setw(2) << whole % 60;
  return out.str();
}

StepEvent SmoothedLosses::take(StepEvent event) {
  for (auto& [name, value] : event.values) {
    if (name != "loss" && name.rfind("loss/", 0) != 0) continue;
    if (!std::isfinite(value)) continue;
    Mean& mean = means_[name];
    mean.sum = mean.sum * kLossSmoothing + value;
    mean.weights = mean.weights * kLossSmoothing + 1.0;
    value = mean.sum / mean.weights;
  }
  return event;
}

std::string step_text(const StepEvent& event) {
  std::string text = losses_text(event);
  if (!text.empty()) text += "   ";
  text += std::to_string(event.step) + "/" + std::to_string(event.total);
  for (const auto& [name, value] : event.values) {
    if (name == "lr") text += "   lr " + number_text(value);
    if (name == "images_per_second") text += "   " + number_text(value) + " images/s";
  }
  text += memory_text(event);
  if (event.seconds_per_step > 0.0) text += "   " + number_text(event.seconds_per_step) + " s each";
  if (event.step < event.total) text += "   left " + duration_text(event.seconds_left);
  return text;
}

ProgressLine::ProgressLine(std::ostream& out, int columns) : out_(out), columns_(columns) {}

ProgressLine::~ProgressLine() {
  if (!shown_.empty()) out_ << '\n' << std::flush;
}

void ProgressLine::on(const Event& event) {
  if (const auto* started = std::get_if<StartedEvent>(&event)) {
    what_ = started->what;
    losses_ = {};
    any_step_ = false;
  } else if (const auto* step = std::get_if<StepEvent>(&event)) {
    on_step(losses_.take(*step));
  } else if (const auto* log = std::get_if<LogEvent>(&event)) {
    message((log->level == LogLevel::kWarning ? "warning: " : "") + log->text);
  } else if (const auto* saved = std::get_if<SavedEvent>(&event)) {
    message("saved " + saved->path);
  } else if (const auto* finished = std::get_if<FinishedEvent>(&event)) {
    clear();
    message(finished->summary);
  }
}

void ProgressLine::message(const std::string& text) {
  const std::string line = shown_;
  clear();
  out_ << text << '\n' << std::flush;
  if (!line.empty()) draw(line);
}

void ProgressLine::on_step(const StepEvent& event) {
  const bool last = event.step >= event.total;
  const Clock::time_point now = Clock::now();
  const bool terminal = columns_ > 0;
  if (any_step_ && !last && now - last_ < (terminal ? Clock::duration(kRedraw) : kSparse)) return;
  any_step_ = true;
  last_ = now;
  const std::string text = (what_.empty() ? "" : what_ + "  ");
  if (terminal) {
    draw(text + bar_text(event.step, event.total) + step_text(event));
  } else {
    out_ << text << step_text(event) << '\n' << std::flush;
  }
}

void ProgressLine::draw(const std::string& text) {
  shown_ = text.substr(0, static_cast<size_t>(std::max(columns_ - 1, 1)));
  out_ << '\r' << shown_ << "\033[K" << std::flush;
}

void ProgressLine::clear() {
  if (!shown_.empty()) out_ << "\r\033[K" << std::flush;
  shown_.clear();
}

int standard_error_columns() {
  if (isatty(STDERR_FILENO) == 0) return 0;
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace dorabooth
