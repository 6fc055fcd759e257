#include "pipelines/mark_pictures.h"

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "datasets/caption_table.h"
#include "datasets/drawn_mark.h"
#include "datasets/image_folder.h"
#include "pipelines/parts/step_meter.h"
#include "pipelines/parts/unfinished_folder.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/imagefile/image_file.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

constexpr const char* kReceipt = "mark.json";
constexpr const char* kPictures = "pictures/";

std::optional<Rgb> colour_or_none(const std::string& name) {
  if (name == "none") return std::nullopt;
  return colour_from_name(name);
}

MarkStyle style_of(const MarkRequest& request) {
  const MarkStyle style{colour_or_none(request.frame), colour_or_none(request.badge),
                        request.frame_percent, request.badge_percent};
  if (!style.frame && !style.badge)
    throw UsageError("--frame none and --badge none leave nothing to draw");
  return style;
}

void check(const MarkRequest& request) {
  if (request.instance_data_dir.empty()) throw UsageError("--instance_data_dir is missing");
  if (request.output_dir.empty()) throw UsageError("--output_dir is missing");
  check_output_folder(request.output_dir, kReceipt);
}

std::string png_name(const std::string& name) {
  return fs::path(name).replace_extension(".png").generic_string();
}

void check_names(const std::vector<ListedPicture>& pictures) {
  std::map<std::string, std::string> by_name;
  for (const ListedPicture& picture : pictures) {
    const auto [place, is_new] = by_name.emplace(png_name(picture.name), picture.path.string());
    if (!is_new) {
      fail(place->second, " and ", picture.path.string(), " would both be written as ",
           place->first, "; want different names");
    }
  }
}

void copy_beside(const ListedPicture& picture, UnfinishedFolder& folder) {
  for (const char* ending : {".txt", ".caption", ".crop.json", "-masklabel.png"}) {
    const std::string stem = fs::path(picture.name).replace_extension().generic_string();
    const fs::path source = picture.path.parent_path() / (picture.path.stem().string() + ending);
    if (fs::is_regular_file(source)) folder.write(kPictures + stem + ending, read_file(source));
  }
}

void write_table(const MarkRequest& request, UnfinishedFolder& folder) {
  const auto table = read_caption_table(request.instance_data_dir, std::nullopt);
  if (!table) return;
  std::string lines;
  for (const CaptionRow& row : table->rows) {
    auto fields = nlohmann::ordered_json::parse(row.fields);
    fields["file_name"] = png_name(row.file_name);
    lines += fields.dump() + '\n';
  }
  folder.write(std::string(kPictures) + "metadata.jsonl", lines);
}

}  // namespace

const FieldList<MarkRequest>& mark_fields() {
  static const FieldList<MarkRequest> list = [] {
    FieldList<MarkRequest> f;
    f.group("Mark");
    f.add("instance_data_dir", &MarkRequest::instance_data_dir, "Folder of pictures.");
    f.add("background_color", &MarkRequest::background_color,
          "What transparent pixels lie on: white, black, gray or #rrggbb. The marked pictures are "
          "opaque.");
    f.add("frame", &MarkRequest::frame,
          "Colour of the rounded frame (white, black, gray or #rrggbb), or none.");
    f.add("badge", &MarkRequest::badge,
          "Colour of the badge in the lower right corner, likewise, or none.");
    f.add("frame_percent", &MarkRequest::frame_percent,
          "Thickness of the frame, of a picture's shorter side.")
        .at_least(1)
        .at_most(20);
    f.add("badge_percent", &MarkRequest::badge_percent, "Diameter of the badge, likewise.")
        .at_least(5)
        .at_most(60);
    f.add("output_dir", &MarkRequest::output_dir,
          "Where pictures/ is written, and mark.png and badge.png, the templates for match.");
    return f;
  }();
  return list;
}

MarkReport mark_pictures(const MarkRequest& request, Progress& progress, std::stop_token stop) {
  check(request);
  const MarkStyle style = style_of(request);
  const Rgb background = colour_from_name(request.background_color);
  ImageFolderRequest source;
  source.folder = request.instance_data_dir;
  const std::vector<ListedPicture> pictures = list_image_folder(source).pictures;
  check_names(pictures);
  UnfinishedFolder folder(request.output_dir);
  StepMeter meter(progress, "mark", static_cast<int64_t>(pictures.size()));
  MarkReport report;
  for (const ListedPicture& picture : pictures) {
    if (stop.stop_requested()) return {0, true};
    Image image = read_picture(picture.path, background).image;
    const PictureSize size{image.width, image.height};
    draw_mark(image, style);
    folder.write(kPictures + png_name(picture.name), encode_png(image));
    copy_beside(picture, folder);
    if (report.pictures == 0) {
      folder.write("mark.png", encode_mark(size, style));
      MarkStyle badge = style;
      badge.frame.reset();
      if (style.badge) folder.write("badge.png", encode_mark(size, badge));
    }
    ++report.pictures;
    meter.step();
  }
  write_table(request, folder);
  folder.write(kReceipt, mark_fields().to_json(&request).dump(2) + "\n");
  folder.publish();
  progress.on(SavedEvent{request.output_dir});
  return report;
}

}  // namespace dorabooth
