// The report of a dry run as text and as JSON.
#include "ui/cli/dry_run.h"

#include <cmath>
#include <iomanip>
#include <nlohmann/json.hpp>

#include "pipelines/dry_run.h"
#include "ui/cli/progress_line.h"

namespace dorabooth {

namespace {

using nlohmann::json;

json to_json(const SurveyedPicture& picture) {
  json warnings = json::array();
  for (const PictureWarning& warning : picture.warnings) warnings.push_back(warning.text);
  return {{"path", picture.path},
          {"used", picture.used},
          {"repeats", picture.repeats},
          {"width", picture.width},
          {"height", picture.height},
          {"scaled_width", picture.scaled_width},
          {"scaled_height", picture.scaled_height},
          {"bucket_width", picture.bucket_width},
          {"bucket_height", picture.bucket_height},
          {"crop",
           {{"left", picture.crop.left},
            {"top", picture.crop.top},
            {"width", picture.crop.width},
            {"height", picture.crop.height}}},
          {"area_lost", picture.area_lost},
          {"caption", picture.caption},
          {"warnings", warnings}};
}

json to_json(const RunForecast& forecast) {
  json parts = json::object();
  for (const MemoryPart& part : forecast.memory.parts) parts[part.name] = part.mb;
  json result = {{"peak_mb", forecast.memory.peak_mb},
                 {"parts_mb", parts},
                 {"with_checkpointing_mb", forecast.with_checkpointing_mb},
                 {"without_checkpointing_mb", forecast.without_checkpointing_mb},
                 {"without_caches_mb", forecast.without_caches_mb},
                 {"fits", forecast.fits()},
                 {"smallest_change", forecast.smallest_change}};
  if (std::isfinite(forecast.limit_mb)) result["limit_mb"] = forecast.limit_mb;
  for (const auto& [name, count] : forecast.parameters) result["parameters"][name] = count;
  for (const auto& [name, count] : forecast.trainable) result["trainable"][name] = count;
  return result;
}

json to_json(const DryRunReport& report) {
  json pictures = json::array();
  for (const SurveyedPicture& picture : report.dataset.pictures)
    pictures.push_back(to_json(picture));
  json buckets = json::array();
  for (const BucketCount& bucket : report.dataset.buckets) {
    buckets.push_back({{"width", bucket.width},
                       {"height", bucket.height},
                       {"examples", bucket.examples},
                       {"batches", bucket.batches}});
  }
  return {{"pictures", pictures},
          {"buckets", buckets},
          {"sheets", report.sheets},
          {"forecast", to_json(report.forecast)}};
}

std::string size_text(int64_t width, int64_t height) {
  return std::to_string(width) + "x" + std::to_string(height);
}

void print(const DryRunReport& report, std::ostream& out) {
  out << std::left << std::setw(12) << "size" << std::setw(12) << "trained at" << std::setw(12)
      << "scaled to" << std::setw(24) << "crop (left, top, size)" << std::setw(8) << "lost"
      << "picture\n";
  for (const SurveyedPicture& picture : report.dataset.pictures) {
    const CropRectangle& crop = picture.crop;
    const std::string part = std::to_string(crop.left) + ", " + std::to_string(crop.top) + ", " +
                             size_text(crop.width, crop.height);
    const std::string lost = std::to_string(std::lround(100 * picture.area_lost)) + " %";
    out << std::setw(12) << size_text(picture.width, picture.height) << std::setw(12)
        << size_text(picture.bucket_width, picture.bucket_height) << std::setw(12)
        << size_text(picture.scaled_width, picture.scaled_height) << std::setw(24) << part
        << std::setw(8) << lost << picture.path << (picture.used ? "" : " (not used)") << '\n';
  }
  out << '\n';
  for (const BucketCount& bucket : report.dataset.buckets) {
    out << size_text(bucket.width, bucket.height) << ": " << bucket.examples << " examples, "
        << bucket.batches << (bucket.batches == 1 ? " batch" : " batches") << " an epoch\n";
  }
  out << '\n' << forecast_text(report.forecast);
  if (report.forecast.fits()) return;
  out << "it does not fit; "
      << (report.forecast.smallest_change.empty()
              ? std::string("no setting makes it fit")
              : "the smallest change that does: " + report.forecast.smallest_change)
      << '\n';
}

}  // namespace

int show_dry_run(const TrainConfig& config, const ReadArguments& read, const Streams& streams,
                 std::stop_token stop) {
  DryRunReport report;
  {
    ProgressLine progress(streams.errors, standard_error_columns());
    for (const std::string& note : read.notes) progress.message("note: " + note);
    report = dry_run(config, progress, std::move(stop));
  }
  if (report.stopped) return 1;
  if (read.json) {
    streams.out << to_json(report).dump(2) << '\n';
  } else {
    print(report, streams.out);
  }
  return report.forecast.fits() ? 0 : 1;
}

}  // namespace dorabooth
