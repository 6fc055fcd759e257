// Aggregation over seeds, CSV, Markdown, JSON.
#include "pipelines/sweep_text.h"

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "src/base/error.h"

namespace dorabooth {

using nlohmann::json;

namespace {

Spread spread_of(const std::vector<double>& numbers) {
  Spread spread;
  for (const double number : numbers) spread.mean += number;
  spread.mean /= static_cast<double>(numbers.size());
  if (numbers.size() < 2) return spread;
  double sum = 0.0;
  for (const double number : numbers) sum += (number - spread.mean) * (number - spread.mean);
  spread.deviation = std::sqrt(sum / static_cast<double>(numbers.size() - 1));
  return spread;
}

PointValues without_seed(const PointValues& values) {
  PointValues rest;
  for (const auto& value : values) {
    if (value.first != "seed") rest.push_back(value);
  }
  return rest;
}

json optional_json(const std::optional<double>& value) { return value ? json(*value) : json(); }

std::optional<double> optional_number(const json& value) {
  return value.is_null() ? std::nullopt : std::optional<double>(value.get<double>());
}

std::string number_text(const char* format, double number) {
  char text[64];
  std::snprintf(text, sizeof text, format, number);
  return text;
}

// "0.06521 ± 0.00003"; without ± for one run.
std::string spread_text(const char* format, const Spread& spread, int64_t runs, double scale) {
  std::string text = number_text(format, scale * spread.mean);
  if (runs > 1) {
    // The deviation has no sign.
    std::string plain = format;
    if (const size_t plus = plain.find('+'); plus != std::string::npos) plain.erase(plus, 1);
    text += " ± " + number_text(plain.c_str(), scale * spread.deviation);
  }
  return text;
}

std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string result = "\"";
  for (const char c : text) result += c == '"' ? std::string("\"\"") : std::string(1, c);
  return result + "\"";
}

json spread_json(const Spread& spread) {
  return {{"mean", spread.mean}, {"deviation", spread.deviation}};
}

// Whether what varies decides how much memory a training takes.
bool memory_varies(const PointValues& values) {
  static const std::set<std::string> fields = {"base_quantization", "gradient_checkpointing",
                                               "mixed_precision",   "optimizer",
                                               "resolution",        "train_batch_size",
                                               "use_8bit_adam",     "width",
                                               "height"};
  for (const auto& value : values) {
    if (fields.count(value.first)) return true;
  }
  return false;
}

json values_json(const PointValues& values) {
  json object = json::object();
  for (const auto& [name, value] : values) object[name] = value;
  return object;
}

}  // namespace

std::string value_text(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "none";
  if (!value.is_array()) return value.dump();
  std::string text;
  for (const json& element : value) text += (text.empty() ? "" : "+") + value_text(element);
  return text;
}

json sweep_run_json(const SweepRun& run) {
  json adapters = json::array();
  for (const SweepMeasure& one : run.adapters) {
    adapters.push_back({{"adapter", one.adapter},
                        {"parameters", one.parameters},
                        {"loss", one.loss},
                        {"relative_to_base", one.relative_to_base},
                        {"image_distance", optional_json(one.image_distance)}});
  }
  return {{"point", values_json(run.values)},
          {"label", run.label},
          {"adapters", adapters},
          {"base_loss", run.base_loss},
          {"base_image_distance", optional_json(run.base_image_distance)},
          {"train_seconds", run.train_seconds},
          {"peak_memory_mb", run.peak_memory_mb},
          {"failure", run.failure}};
}

SweepRun sweep_run_from_json(const json& file, const PointValues& values) {
  SweepRun run;
  run.values = values;
  run.label = file.at("label");
  for (const json& one : file.at("adapters")) {
    run.adapters.push_back({one.at("adapter"), one.at("parameters"), one.at("loss"),
                            one.at("relative_to_base"), optional_number(one.at("image_distance"))});
  }
  run.base_loss = file.at("base_loss");
  run.base_image_distance = optional_number(file.at("base_image_distance"));
  run.train_seconds = file.at("train_seconds");
  run.peak_memory_mb = file.at("peak_memory_mb");
  run.failure = file.at("failure");
  return run;
}

std::vector<SweepRow> rows_of(const std::vector<SweepRun>& runs) {
  struct Numbers {
    std::vector<double> loss, relative, distance, against_first;
  };
  std::vector<SweepRow> rows;
  std::vector<Numbers> numbers;
  for (const SweepRun& run : runs) {
    for (const SweepMeasure& measure : run.adapters) {
      const PointValues values = without_seed(run.values);
      size_t at = 0;
      while (at < rows.size() &&
             (rows[at].values != values || rows[at].adapter != measure.adapter)) {
        ++at;
      }
      if (at == rows.size()) {
        rows.push_back({values, measure.adapter, 0, measure.parameters, {}, {}, {}, {}, 0.0});
        numbers.emplace_back();
      }
      ++rows[at].runs;
      rows[at].peak_memory_mb = std::max(rows[at].peak_memory_mb, run.peak_memory_mb);
      numbers[at].loss.push_back(measure.loss);
      numbers[at].relative.push_back(measure.relative_to_base);
      if (measure.image_distance) numbers[at].distance.push_back(*measure.image_distance);
      if (&measure != &run.adapters.front()) {
        numbers[at].against_first.push_back(measure.relative_to_base -
                                            run.adapters.front().relative_to_base);
      }
    }
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i].loss = spread_of(numbers[i].loss);
    rows[i].relative_to_base = spread_of(numbers[i].relative);
    if (!numbers[i].distance.empty()) rows[i].image_distance = spread_of(numbers[i].distance);
    if (!numbers[i].against_first.empty())
      rows[i].against_first = spread_of(numbers[i].against_first);
  }
  return rows;
}

std::string sweep_csv(const SweepReport& report) {
  std::string text;
  for (const auto& [name, value] : report.runs.at(0).values) text += name + ",";
  text +=
      "adapter,parameters,loss,base_loss,relative_to_base,image_distance,base_image_distance,"
      "train_seconds,peak_memory_mb,failure\n";
  const auto optional_text = [](const std::optional<double>& value) {
    return value ? json(*value).dump() : std::string();
  };
  for (const SweepRun& run : report.runs) {
    std::string point;
    for (const auto& [name, value] : run.values) point += quoted(value_text(value)) + ",";
    for (const SweepMeasure& one : run.adapters) {
      text +=
          concat(point, one.adapter, ",", one.parameters, ",", json(one.loss).dump(), ",",
                 json(run.base_loss).dump(), ",", json(one.relative_to_base).dump(), ",",
                 optional_text(one.image_distance), ",", optional_text(run.base_image_distance),
                 ",", json(run.train_seconds).dump(), ",", json(run.peak_memory_mb).dump(), ",\n");
    }
    if (run.adapters.empty()) text += concat(point, ",,,,,,,,,", quoted(run.failure), "\n");
  }
  return text;
}

std::string sweep_table(const SweepReport& report) {
  if (report.rows.empty()) return "";
  bool with_images = false;
  bool with_others = false;
  for (const SweepRow& row : report.rows) {
    with_images |= row.image_distance.has_value();
    with_others |= row.against_first.has_value();
  }
  std::string head = "|";
  std::string rule = "|";
  const auto column = [&](const std::string& name) {
    head += " " + name + " |";
    rule += " --- |";
  };
  for (const auto& [name, value] : report.rows[0].values) column(name);
  column("adapter");
  column("runs");
  column("parameters");
  column("held-out loss");
  column("against the base");
  if (with_others) column("against " + report.rows[0].adapter);
  if (with_images) column("distance of pictures");
  const bool with_memory = memory_varies(report.rows[0].values);
  if (with_memory) column("peak memory");
  std::string text = head + "\n" + rule + "\n";
  for (const SweepRow& row : report.rows) {
    text += "|";
    for (const auto& [name, value] : row.values) text += " " + value_text(value) + " |";
    text += concat(" ", row.adapter, " | ", row.runs, " | ", row.parameters, " | ",
                   spread_text("%.5f", row.loss, row.runs, 1.0), " | ",
                   spread_text("%+.2f", row.relative_to_base, row.runs, 100.0), " % |");
    if (with_others) {
      text += row.against_first
                  ? " " + spread_text("%+.2f", *row.against_first, row.runs, 100.0) + " points |"
                  : " |";
    }
    if (with_images) {
      text += row.image_distance
                  ? " " + spread_text("%.4f", *row.image_distance, row.runs, 1.0) + " |"
                  : " |";
    }
    if (with_memory) text += " " + number_text("%.0f MB", row.peak_memory_mb) + " |";
    text += "\n";
  }
  for (const SweepRun& run : report.runs) {
    if (!run.failure.empty()) text += "\nNot trained: " + run.label + ": " + run.failure + "\n";
  }
  return text;
}

json sweep_json(const SweepReport& report) {
  json runs = json::array();
  for (const SweepRun& run : report.runs) runs.push_back(sweep_run_json(run));
  json rows = json::array();
  for (const SweepRow& row : report.rows) {
    rows.push_back(
        {{"point", values_json(row.values)},
         {"adapter", row.adapter},
         {"runs", row.runs},
         {"parameters", row.parameters},
         {"loss", spread_json(row.loss)},
         {"relative_to_base", spread_json(row.relative_to_base)},
         {"image_distance", row.image_distance ? spread_json(*row.image_distance) : json()},
         {"against_first", row.against_first ? spread_json(*row.against_first) : json()},
         {"peak_memory_mb", row.peak_memory_mb}});
  }
  return {{"rows", rows}, {"runs", runs}, {"files", report.files}, {"stopped", report.stopped}};
}

}  // namespace dorabooth
