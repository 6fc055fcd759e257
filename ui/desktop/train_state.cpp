#include "ui/desktop/train_state.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

namespace dorabooth {

using nlohmann::json;

namespace {

void add_line(TrainState& train, const json& line) {
  const auto step = line.at("step").get<double>();
  for (const char* name : {"loss", "grad_norm"}) {
    for (const auto& [adapter, value] : line.at(name).items()) {
      if (value.is_number())
        add_point(train.curves[std::string(name) + "/" + adapter], step, value);
    }
  }
  add_point(train.curves["lr"], step, line.at("lr"));
}

}  // namespace

void add_point(Curve& curve, double step, double value) {
  while (!curve.steps.empty() && curve.steps.back() >= step) {
    curve.steps.pop_back();
    curve.values.pop_back();
  }
  curve.steps.push_back(step);
  curve.values.push_back(value);
}

std::pair<int64_t, int64_t> column_of(const TrainPreview& preview) {
  constexpr int64_t kFirst = std::numeric_limits<int64_t>::min();
  return {preview.column == 0 ? kFirst : -preview.step, preview.column};
}

void add_preview(TrainState& train, TrainPreview preview) {
  auto& previews = train.previews;
  const auto place = [](const TrainPreview& p) { return std::pair(column_of(p), p.row); };
  const auto at = std::lower_bound(
      previews.begin(), previews.end(), preview,
      [&](const TrainPreview& a, const TrainPreview& b) { return place(a) < place(b); });
  if (at != previews.end() && place(*at) == place(preview)) {
    *at = std::move(preview);
  } else {
    previews.insert(at, std::move(preview));
  }
  size_t bytes = 0;
  for (const TrainPreview& one : previews) bytes += one.image->rgb_hwc.size();
  const auto newest = std::find_if(previews.begin(), previews.end(),
                                   [](const TrainPreview& one) { return one.column != 0; });
  if (newest == previews.end()) return;
  const int64_t kept = newest->step;
  while (bytes > kPreviewBytes && previews.back().step != kept) {
    bytes -= previews.back().image->rgb_hwc.size();
    previews.pop_back();
  }
}

std::string settings_text(const TrainConfig& config) {
  return train_fields().to_json(&config).dump();
}

void take_metrics(TrainState& train, const std::string& text) {
  std::istringstream lines(text);
  for (std::string text_line; std::getline(lines, text_line);) {
    // The last line of a program that was killed may be half written.
    const json line = json::parse(text_line, nullptr, /*allow_exceptions=*/false);
    if (line.is_discarded()) return;
    try {
      add_line(train, line);
    } catch (const json::exception&) {
      return;
    }
  }
}

}  // namespace dorabooth
