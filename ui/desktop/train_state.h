// What the Train window shows beside the settings: the curves of the run.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pipelines/train.h"
#include "src/base/image.h"

namespace dorabooth {

struct Curve {
  std::vector<double> steps;
  std::vector<double> values;
};

// A picture drawn during the run: a row for each prompt and seed, a column for each step and
// adapter, and column 0 for the base, whose pictures are drawn once.
struct TrainPreview {
  int64_t step = 0;
  int64_t row = 0;
  int64_t column = 0;
  std::string row_label;  // "seed 0", with several prompts "a pie, seed 0"
  std::string adapter;    // "base" in column 0
  std::shared_ptr<const Image> image;
};

struct TrainState {
  std::map<std::string, Curve> curves;  // by the step event's names: "loss/lora", "lr", …
  std::vector<TrainPreview> previews;   // the base, then the newest step first, by column and row
  std::vector<std::string> presets;     // files in configs/, found at the start
  double smoothing = 0.9;               // weight of what came before; 0: raw
  bool log_scale = false;
  std::string forecast_settings;  // that were asked about last, as JSON text
  std::string forecast;           // what they would take; empty while it is made
};

// Adds the point; what the curve has from this step on is of an attempt that the run went back
// behind.
void add_point(Curve& curve, double step, double value);

// Puts the picture in its place; the oldest steps are left out once all pictures together take
// more than kPreviewBytes. The base's and the newest step's stay.
constexpr size_t kPreviewBytes = size_t{128} << 20;
void add_preview(TrainState& train, TrainPreview preview);
// What a preview's column is known by, ascending from the left: −step and column; the base's comes
// first, whenever it was drawn.
std::pair<int64_t, int64_t> column_of(const TrainPreview& preview);

// All settings as one JSON text: equal where they are.
std::string settings_text(const TrainConfig& config);

// The curves of metrics.jsonl, as the run's events brought them.
void take_metrics(TrainState& train, const std::string& text);

}  // namespace dorabooth
