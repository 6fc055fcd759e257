// Point after point; what is finished lies in its folder's result.json.
#include "pipelines/sweep.h"

#include <malloc.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "pipelines/parts/process_memory.h"
#include "pipelines/parts/sweep_files.h"
#include "pipelines/parts/sweep_measurement.h"
#include "pipelines/sweep_text.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/base/hash.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

// Settings that a run's result does not depend on.
const char* const kFree[] = {"output_dir",     "resume_from_checkpoint",
                             "disk_cache_dir", "memory_limit_mb",
                             "text_cache_mb",  "checkpoints_total_limit"};

json training_settings(const TrainConfig& config) {
  json settings = train_fields().to_json(&config);
  for (const char* name : kFree) settings.erase(name);
  return settings;
}

// What a folder's result.json holds.
struct Kept {
  json training;                         // settings
  std::vector<TrainedAdapter> adapters;  // paths relative to the folder
  double seconds = 0.0;
  double peak_memory_mb = 0.0;
  json measurement;  // settings; null: not measured yet
  SweepRun run;
};

json to_json(const Kept& kept) {
  json adapters = json::array();
  for (const TrainedAdapter& adapter : kept.adapters) {
    adapters.push_back({{"name", adapter.name},
                        {"path", adapter.path},
                        {"embedding", adapter.embedding},
                        {"parameters", adapter.parameters}});
  }
  return {{"training", kept.training},
          {"adapters", adapters},
          {"seconds", kept.seconds},
          {"peak_memory_mb", kept.peak_memory_mb},
          {"measurement", kept.measurement},
          {"run", kept.measurement.is_null() ? json() : sweep_run_json(kept.run)}};
}

Kept kept_from_json(const json& file, const PointValues& values) {
  Kept kept;
  kept.training = file.at("training");
  for (const json& one : file.at("adapters")) {
    TrainedAdapter adapter;
    adapter.name = one.at("name");
    adapter.path = one.at("path");
    adapter.embedding = one.at("embedding");
    adapter.parameters = one.at("parameters");
    kept.adapters.push_back(std::move(adapter));
  }
  kept.seconds = file.at("seconds");
  kept.peak_memory_mb = file.at("peak_memory_mb");
  kept.measurement = file.at("measurement");
  if (!kept.measurement.is_null()) kept.run = sweep_run_from_json(file.at("run"), values);
  return kept;
}

class Sweep {
 public:
  Sweep(const SweepRequest& request, Progress& progress, std::stop_token stop)
      : request_(request), progress_(progress), log_(log_to(progress)), stop_(std::move(stop)) {}

  SweepReport run();

 private:
  std::optional<Kept> read_kept(const SweepPoint& point) const;
  void write_kept(const SweepPoint& point, const Kept& kept) const;
  std::optional<Kept> train_point(const SweepPoint& point);
  bool measure(const SweepPoint& point, Kept& kept);
  std::optional<BaseMeasure> base_of(const SweepPoint& point, const json& settings);
  std::optional<SweepRun> run_point(const SweepPoint& point);

  const SweepRequest& request_;
  Progress& progress_;
  Log log_;
  std::stop_token stop_;
};

fs::path result_path(const SweepPoint& point) {
  return fs::path(point.config.output_dir) / "result.json";
}

std::optional<Kept> Sweep::read_kept(const SweepPoint& point) const {
  const fs::path path = result_path(point);
  if (!fs::exists(path)) return std::nullopt;
  const json file = json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
  if (!file.is_object() || !file.contains("training"))
    fail(path.string(), ": is no result of a sweep; remove it or give another --output_dir");
  Kept kept = kept_from_json(file, point.values);
  const json wanted = training_settings(point.config);
  for (const auto& [name, value] : wanted.items()) {
    const json then = kept.training.value(name, json());
    if (then == value) continue;
    throw UsageError(concat(path.string(), ": was trained with ", name, " ", then.dump(), ", now ",
                            value.dump(), " is asked for: give another --output_dir"));
  }
  return kept;
}

void Sweep::write_kept(const SweepPoint& point, const Kept& kept) const {
  write_file_atomically(result_path(point), to_json(kept).dump(2) + "\n");
}

// Nothing if it was asked to stop.
std::optional<Kept> Sweep::train_point(const SweepPoint& point) {
  TrainConfig config = point.config;
  config.resume_from_checkpoint = "latest";
  if (!config.disk_cache_dir)
    config.disk_cache_dir = (fs::path(request_.output_dir) / "cache").string();
  malloc_trim(0);  // what earlier runs have given back does not count as this one's
  reset_peak_memory();
  const TrainReport report = train(config, progress_, stop_);
  if (report.stopped) return std::nullopt;
  Kept kept;
  kept.training = training_settings(point.config);
  kept.seconds = report.seconds;
  kept.peak_memory_mb = peak_memory_mb();
  for (TrainedAdapter adapter : report.adapters) {
    const fs::path folder = config.output_dir;
    adapter.path = fs::relative(adapter.path, folder).string();
    if (!adapter.embedding.empty())
      adapter.embedding = fs::relative(adapter.embedding, folder).string();
    kept.adapters.push_back(std::move(adapter));
  }
  write_kept(point, kept);
  if (!request_.keep_checkpoints) {
    std::vector<fs::path> checkpoints;
    for (const auto& entry : fs::directory_iterator(config.output_dir)) {
      if (entry.path().filename().string().starts_with("checkpoint-"))
        checkpoints.push_back(entry.path());
    }
    for (const fs::path& checkpoint : checkpoints) fs::remove_all(checkpoint);
  }
  return kept;
}

// Of the base, once for all runs that share it.
std::optional<BaseMeasure> Sweep::base_of(const SweepPoint& point, const json& settings) {
  Sha256 hash;
  hash.update(settings.dump());
  const fs::path folder = fs::path(request_.output_dir) / "base" / hash.hex().substr(0, 16);
  const fs::path file = folder / "result.json";
  if (fs::exists(file)) {
    const json kept = json::parse(read_file(file));
    BaseMeasure measure{kept.at("loss"), std::nullopt};
    if (!kept.at("image_distance").is_null()) measure.image_distance = kept.at("image_distance");
    return measure;
  }
  const auto measure = measure_base(request_, point.config, folder.string(), progress_, stop_);
  if (!measure) return std::nullopt;
  fs::create_directories(folder);
  const json distance = measure->image_distance ? json(*measure->image_distance) : json();
  write_file_atomically(
      file,
      json{{"settings", settings}, {"loss", measure->loss}, {"image_distance", distance}}.dump(2) +
          "\n");
  return measure;
}

// False if it was asked to stop.
bool Sweep::measure(const SweepPoint& point, Kept& kept) {
  const json settings = measurement_settings(request_, point.config);
  if (kept.measurement == settings) return true;
  const auto base = base_of(point, settings);
  if (!base) return false;
  const fs::path folder = point.config.output_dir;
  std::vector<TrainedAdapter> adapters = kept.adapters;
  for (TrainedAdapter& adapter : adapters) {
    adapter.path = (folder / adapter.path).string();
    if (!adapter.embedding.empty()) adapter.embedding = (folder / adapter.embedding).string();
  }
  const auto measures = measure_adapters(request_, point.config, adapters, *base,
                                         (folder / "evaluation").string(), progress_, stop_);
  if (!measures) return false;
  kept.run = {point.values,         point.label,  *measures,           base->loss,
              base->image_distance, kept.seconds, kept.peak_memory_mb, ""};
  kept.measurement = settings;
  write_kept(point, kept);
  return true;
}

std::optional<SweepRun> Sweep::run_point(const SweepPoint& point) {
  std::optional<Kept> kept = read_kept(point);
  try {
    if (!kept) kept = train_point(point);
    if (!kept || !measure(point, *kept)) return std::nullopt;
    return kept->run;
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {
    log_.warning(concat(point.label, ": ", error.what()));
    SweepRun failed;
    failed.values = point.values;
    failed.label = point.label;
    failed.failure = error.what();
    return failed;
  }
}

SweepReport Sweep::run() {
  if (request_.evaluation_data_dir.empty()) {
    throw UsageError(
        "--evaluation_data_dir is missing: a folder of pictures that no run trains on");
  }
  if (request_.resume_from_checkpoint)
    throw UsageError("--resume_from_checkpoint: a sweep goes on by itself; leave it out");
  const std::vector<SweepPoint> points = sweep_points(request_);
  for (const SweepPoint& point : points) read_kept(point);  // other settings are told at once
  fs::create_directories(request_.output_dir);
  SweepReport report;
  for (size_t i = 0; i < points.size(); ++i) {
    log_.info(concat("run ", i + 1, " of ", points.size(), ": ", points[i].label));
    auto run = stop_.stop_requested() ? std::nullopt : run_point(points[i]);
    if (!run) {
      report.stopped = true;
      log_.info(concat("stopped; the same command goes on with run ", i + 1));
      break;
    }
    report.runs.push_back(std::move(*run));
  }
  report.rows = rows_of(report.runs);
  if (report.stopped) return report;
  if (report.rows.empty())
    fail(request_.output_dir, ": none of the ", points.size(),
         " runs could be trained; the first: ", report.runs.at(0).failure);
  report.files = write_sweep_files(request_.output_dir, report);
  for (const std::string& file : report.files) progress_.on(SavedEvent{file});
  return report;
}

}  // namespace

SweepReport sweep(const SweepRequest& request, Progress& progress, std::stop_token stop) {
  return Sweep(request, progress, std::move(stop)).run();
}

}  // namespace dorabooth
