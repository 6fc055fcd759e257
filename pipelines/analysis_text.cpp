#include "pipelines/analysis_text.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "src/base/error.h"

namespace dorabooth {

using nlohmann::json;

namespace {

json number(double value) { return std::isfinite(value) ? json(value) : json(); }

json to_json(const WeightChange& change) {
  return {{"delta_M", change.magnitude}, {"delta_D", change.direction}};
}

json trend_json(const ChangeTrend& trend) {
  return {{"pearson", number(trend.pearson)},
          {"slope", number(trend.slope)},
          {"intercept", number(trend.intercept)}};
}

struct Axis {
  const char* name;
  const char* key;  // of the JSON
  WeightChange LayerChange::*change;
  ChangeTrend LayerTrend::*trend;
  ChangeTrend ChangeSeries::*all;
};
constexpr Axis kAxes[] = {
    {"output", "out", &LayerChange::output, &LayerTrend::output, &ChangeSeries::output},
    {"input", "in", &LayerChange::input, &LayerTrend::input, &ChangeSeries::input}};

bool wants(const std::string& norm_axis, const Axis& axis) {
  return norm_axis == "both" || norm_axis == axis.name;
}

}  // namespace

std::string analysis_csv(const AnalyzeReport& report, const std::string& norm_axis) {
  std::ostringstream text;
  text.precision(17);
  text << "series,layer,step,axis,delta_M,delta_D\n";
  for (const ChangeSeries& series : report.series) {
    for (const LayerChange& record : series.records) {
      const std::string head = concat('"', series.name, "\",", record.layer, ',', record.step, ',');
      for (const Axis& axis : kAxes) {
        if (!wants(norm_axis, axis)) continue;
        const WeightChange& change = record.*axis.change;
        text << head << axis.name << ',' << change.magnitude << ',' << change.direction << '\n';
      }
    }
  }
  return text.str();
}

json analysis_json(const AnalyzeReport& report, const std::string& norm_axis) {
  json all = json::array();
  for (const ChangeSeries& series : report.series) {
    json records = json::array();
    for (const LayerChange& record : series.records) {
      json one = {{"layer", record.layer}, {"step", record.step < 0 ? json() : json(record.step)}};
      for (const Axis& axis : kAxes) {
        if (wants(norm_axis, axis)) one[axis.key] = to_json(record.*axis.change);
      }
      records.push_back(one);
    }
    json correlation = json::object();
    for (const Axis& axis : kAxes) {
      if (!wants(norm_axis, axis)) continue;
      correlation[axis.key] = trend_json(series.*axis.all);
      json& layers = correlation[axis.key]["layers"] = json::object();
      for (const LayerTrend& layer : series.layers)
        layers[layer.layer] = trend_json(layer.*axis.trend);
    }
    all.push_back({{"name", series.name}, {"records", records}, {"correlation", correlation}});
  }
  return {{"series", all}, {"stopped", report.stopped}};
}

}  // namespace dorabooth
