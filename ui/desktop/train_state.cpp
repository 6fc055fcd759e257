#include "ui/desktop/train_state.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>
#include <tuple>

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

void add_preview(TrainState& train, TrainPreview preview) {
  auto& previews = train.previews;
  const auto place = [](const TrainPreview& p) { return std::tuple(-p.step, p.column, p.row); };
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
  while (bytes > kPreviewBytes && previews.front().step != previews.back().step) {
    bytes -= previews.back().image->rgb_hwc.size();
    previews.pop_back();
  }
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
