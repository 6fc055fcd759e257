// metrics.jsonl: one JSON object a line, a line a step, in the order of the steps.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "src/report/append_file.h"

namespace dorabooth {

class MetricsFile {
 public:
  // Keeps the lines up to and including `last_step` (a resume at that step) and cuts off the later
  // ones, and a last line that a killed process left half written; 0 starts a new file. A line in
  // the middle that is not an object with a "step" is an error that names it.
  MetricsFile(const std::filesystem::path& path, int64_t last_step);

  // `line` is an object with an integer "step" larger than every one before; it is on its way to
  // the disk when this returns. A number that is not finite is written as null.
  void append(const nlohmann::json& line);

  // Returns once all lines are on the disk: called before a checkpoint is published.
  void sync() { file_.sync(); }

 private:
  AppendFile file_;
  int64_t last_step_ = 0;
};

// All lines of the file, the last one left out if it is half written.
std::vector<nlohmann::json> read_metrics(const std::filesystem::path& path);

}  // namespace dorabooth
