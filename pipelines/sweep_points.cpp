// The grid of a sweep: values by the rules of the settings they are for.
#include <cctype>
#include <cstring>
#include <filesystem>
#include <set>

#include "pipelines/sweep.h"
#include "pipelines/sweep_text.h"
#include "src/base/error.h"

namespace dorabooth {

using nlohmann::json;

namespace {

struct VaryingField {
  std::string name;
  std::vector<json> values;
};

bool is_list(const Field& field) {
  return field.type == FieldType::kTextList || field.type == FieldType::kIntegerList ||
         field.type == FieldType::kNumberList;
}

// A value as the setting reads it from a flag ("1e-3", "none").
json value_of_text(const Field& field, const std::string& text) {
  TrainConfig config;
  train_fields().set_text(&config, field, text);
  return train_fields().get(&config, field);
}

VaryingField parse_field(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals + 1 == text.size())
    throw UsageError(concat("--field: want NAME=V1,V2,…, got '", text, "'"));
  VaryingField varying{text.substr(0, equals), {}};
  const Field& field = train_fields().at(varying.name);
  if (varying.name == "output_dir" || varying.name == "resume_from_checkpoint") {
    throw UsageError(concat("--field: ", varying.name, " is the sweep's own and cannot vary"));
  }
  const std::string values = text.substr(equals + 1);
  if (values.front() == '[') {
    const json list = json::parse(values, nullptr, /*allow_exceptions=*/false);
    if (!list.is_array() || list.empty()) {
      throw UsageError(
          concat("--field ", varying.name, ": want a JSON list of values, got '", values, "'"));
    }
    for (const json& value : list) {
      TrainConfig config;
      train_fields().set(&config, field, value, "--field " + varying.name);
      varying.values.push_back(train_fields().get(&config, field));
    }
    return varying;
  }
  if (is_list(field)) {
    throw UsageError(concat("--field: ", varying.name, " is a list, so its values stand in JSON: ",
                            varying.name, "=[[\"…\"],[\"…\"]]; got '", values, "'"));
  }
  for (size_t begin = 0; begin <= values.size();) {
    const size_t comma = std::min(values.find(',', begin), values.size());
    varying.values.push_back(value_of_text(field, values.substr(begin, comma - begin)));
    begin = comma + 1;
  }
  return varying;
}

// A folder's name, short enough for every file system.
std::string label_of(const PointValues& values, size_t number) {
  std::string label;
  for (const auto& [name, value] : values) {
    label += (label.empty() ? "" : ",") + name + "=" + value_text(value);
  }
  for (char& c : label) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && !std::strchr("=,.+-_", c)) c = '_';
  }
  constexpr size_t kLongest = 150;
  if (label.size() > kLongest) label = label.substr(0, kLongest) + concat("-", number);
  return label;
}

}  // namespace

std::vector<SweepPoint> sweep_points(const SweepRequest& request) {
  if (request.field.empty())
    throw UsageError("--field is missing: a sweep varies at least one setting (rank=4,8,16)");
  std::vector<VaryingField> fields;
  std::set<std::string> names;
  for (const std::string& text : request.field) {
    VaryingField field = parse_field(text);
    if (!names.insert(field.name).second)
      throw UsageError(concat("--field: ", field.name, " stands there twice"));
    const std::set<json> distinct(field.values.begin(), field.values.end());
    if (distinct.size() != field.values.size())
      throw UsageError(concat("--field ", text, ": a value stands there twice"));
    fields.push_back(std::move(field));
  }
  std::vector<PointValues> grid = {{}};
  for (const VaryingField& field : fields) {
    std::vector<PointValues> finer;
    for (const PointValues& point : grid) {
      for (const json& value : field.values) {
        finer.push_back(point);
        finer.back().emplace_back(field.name, value);
      }
    }
    grid = std::move(finer);
  }
  std::vector<SweepPoint> points;
  for (PointValues& values : grid) {
    SweepPoint point{std::move(values), {}, request};
    point.label = label_of(point.values, points.size());
    for (const auto& [name, value] : point.values)
      train_fields().set(&point.config, train_fields().at(name), value, "--field " + name);
    point.config.output_dir =
        (std::filesystem::path(request.output_dir) / "runs" / point.label).string();
    points.push_back(std::move(point));
  }
  return points;
}

}  // namespace dorabooth
