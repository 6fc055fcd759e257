// Appends step lines; on a resume finds the byte where the kept steps end.
#include "src/report/metrics_file.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "src/base/atomic_file.h"
#include "src/base/error.h"

namespace dorabooth {

namespace {

using nlohmann::json;

struct MetricsLine {
  json value;
  int64_t step = 0;
  size_t end = 0;  // byte after its newline
};

std::optional<int64_t> step_of(const json& line) {
  if (!line.is_object()) return std::nullopt;
  const auto step = line.find("step");
  if (step == line.end() || !step->is_number_integer()) return std::nullopt;
  return step->get<int64_t>();
}

// Every line that ends with a newline; text after the last newline was never finished.
std::vector<MetricsLine> parse_lines(const std::string& text, const std::filesystem::path& path) {
  std::vector<MetricsLine> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t newline = text.find('\n', begin);
    if (newline == std::string::npos) break;
    MetricsLine line;
    line.value = json::parse(text.begin() + static_cast<std::ptrdiff_t>(begin),
                             text.begin() + static_cast<std::ptrdiff_t>(newline), nullptr, false);
    line.end = newline + 1;
    const std::optional<int64_t> step = step_of(line.value);
    if (!step) {
      fail(path.string(), " line ", lines.size() + 1,
           ": want a JSON object with an integer \"step\"; move the file away to continue without "
           "it");
    }
    line.step = *step;
    lines.push_back(std::move(line));
    begin = newline + 1;
  }
  return lines;
}

}  // namespace

MetricsFile::MetricsFile(const std::filesystem::path& path, int64_t last_step)
    : file_(path, AppendFile::Mode::kContinue) {
  size_t kept = 0;
  if (last_step > 0) {
    for (const MetricsLine& line : parse_lines(read_file(path), path)) {
      if (line.step > last_step) break;
      kept = line.end;
      last_step_ = line.step;
    }
  }
  file_.truncate(kept);
}

void MetricsFile::append(const nlohmann::json& line) {
  const std::optional<int64_t> step = step_of(line);
  if (!step) fail(file_.path().string(), ": a line needs an integer \"step\"");
  if (*step <= last_step_) {
    fail(file_.path().string(), ": step ", *step, " comes after step ", last_step_);
  }
  // Text that is not UTF-8 is written with U+FFFD: a metric must not end a run.
  file_.append(line.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
  last_step_ = *step;
}

std::vector<nlohmann::json> read_metrics(const std::filesystem::path& path) {
  std::vector<json> values;
  for (MetricsLine& line : parse_lines(read_file(path), path))
    values.push_back(std::move(line.value));
  return values;
}

}  // namespace dorabooth
