// The survey of the pictures, drawn.
#include "pipelines/dry_run.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "pipelines/parts/output_format.h"
#include "pipelines/parts/training_run.h"
#include "src/base/error.h"
#include "src/imagefile/caption_grid.h"
#include "src/model/assets.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

constexpr int64_t kThumbnail = 256;
constexpr int kColumns = 6;
constexpr size_t kPerPage = 48;
constexpr Rgb kKept{255, 255, 255};
constexpr Rgb kWarned{255, 60, 60};

std::vector<std::string> lines_of(const SurveyedPicture& picture) {
  std::vector<std::string> lines = {picture.name};
  if (picture.bucket_width > 0) {
    lines.push_back(concat(picture.width, "x", picture.height, " to ", picture.bucket_width, "x",
                           picture.bucket_height));
    lines.push_back(concat(std::lround(100 * picture.area_lost), " % cut off"));
  }
  for (const PictureWarning& warning : picture.warnings) lines.push_back(warning.text);
  return lines;
}

// The picture is read once more: a page at a time is in memory, whatever their number.
CaptionedCell cell_of(const SurveyedPicture& picture) {
  CaptionedCell cell;
  cell.lines = lines_of(picture);
  cell.marked = !picture.warnings.empty();
  cell.picture = picture.width > 0 ? picture_preview(picture.path, kThumbnail)
                                   : Image(kThumbnail, kThumbnail, 128);
  if (picture.bucket_width > 0) {
    const double scale =
        static_cast<double>(cell.picture.width) / static_cast<double>(picture.width);
    const auto scaled = [&](int64_t length) {
      return static_cast<int>(std::lround(scale * static_cast<double>(length)));
    };
    draw_crop_outline(cell.picture, scaled(picture.crop.left), scaled(picture.crop.top),
                      scaled(picture.crop.width), scaled(picture.crop.height),
                      cell.marked ? kWarned : kKept);
  }
  return cell;
}

std::vector<std::string> draw_sheets(const TrainConfig& config, const DatasetReport& dataset,
                                     std::stop_token stop) {
  std::vector<std::string> paths;
  const Font font(asset_path("fonts/DejaVuSans.ttf"));
  for (size_t first = 0; first < dataset.pictures.size(); first += kPerPage) {
    const size_t last = std::min(first + kPerPage, dataset.pictures.size());
    std::vector<CaptionedCell> cells;
    for (size_t i = first; i < last; ++i) {
      if (stop.stop_requested()) return paths;
      cells.push_back(cell_of(dataset.pictures[i]));
    }
    const int columns = std::min(kColumns, static_cast<int>(cells.size()));
    const std::string title = concat("pictures ", first + 1, " to ", last, " of ",
                                     dataset.pictures.size(), "; what is dark is cut off");
    const fs::path path =
        fs::path(config.output_dir) / "dry_run" / concat("pictures-", first / kPerPage + 1, ".png");
    write_png(path, caption_grid(title, cells, columns, font));
    paths.push_back(path.string());
  }
  return paths;
}

}  // namespace

DryRunReport dry_run(const TrainConfig& config, Progress& progress, std::stop_token stop) {
  check_train_config(config);
  check_output_format(config);
  DryRunReport report;
  SurveyRequest request = survey_request_of(config);
  request.thumbnail_size = 0;
  report.dataset = survey_dataset(request, progress, stop);
  report.stopped = report.dataset.stopped;
  if (report.stopped) return report;
  const Log log = log_to(progress);
  for (const std::string& note : report.dataset.notes) log.info(note);
  for (const SurveyedPicture& picture : report.dataset.pictures) {
    for (const PictureWarning& warning : picture.warnings)
      log.warning(concat(picture.path, ": ", warning.text));
  }
  report.sheets = draw_sheets(config, report.dataset, stop);
  for (const std::string& path : report.sheets) progress.on(SavedEvent{path});
  report.forecast = forecast_training(config);
  return report;
}

}  // namespace dorabooth
