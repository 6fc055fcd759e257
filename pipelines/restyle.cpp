#include "pipelines/restyle.h"

#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "datasets/drawn_shapes.h"
#include "datasets/drawn_styles.h"
#include "datasets/image_folder.h"
#include "pipelines/parts/step_meter.h"
#include "pipelines/parts/unfinished_folder.h"
#include "src/base/error.h"
#include "src/base/random_stream.h"
#include "src/imagefile/image_file.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

constexpr const char* kReceipt = "restyle.json";

struct Source {
  fs::path path;
  std::string stem;
  std::string caption;
};

void check(const RestyleRequest& request) {
  if (request.output_dir.empty()) throw UsageError("--output_dir is missing");
  if (request.instance_data_dir.empty() && request.shapes == 0)
    throw UsageError("--instance_data_dir is missing");
  check_output_folder(request.output_dir, kReceipt);
}

std::vector<std::string> wanted_styles(const RestyleRequest& request) {
  std::vector<std::string> names;
  for (const std::string& name : request.style) {
    drawn_style(name);
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  if (names.empty()) {
    for (const DrawnStyle& style : drawn_styles()) names.push_back(style.name);
  }
  if (request.styles_per_image > static_cast<int64_t>(names.size())) {
    throw UsageError(concat("--styles_per_image ", request.styles_per_image, ": only ",
                            names.size(), " to choose from"));
  }
  return names;
}

std::vector<Source> read_sources(const RestyleRequest& request) {
  if (request.instance_data_dir.empty()) return {};
  ImageFolderRequest folder;
  folder.folder = request.instance_data_dir;
  folder.caption_column = request.caption_column;
  std::vector<Source> sources;
  std::map<std::string, std::string> by_stem;
  for (const CaptionedPicture& picture : read_image_folder(folder).pictures) {
    const std::string stem = picture.path.stem().string();
    const auto [place, is_new] = by_stem.emplace(stem, picture.path.string());
    if (!is_new) {
      fail(place->second, " and ", picture.path.string(), " would both be drawn as ", stem,
           ".png; want different names");
    }
    sources.push_back({picture.path, stem, picture.caption});
  }
  return sources;
}

// The pictures and their table, as they are drawn.
class DrawnFolder {
 public:
  explicit DrawnFolder(const fs::path& target) : folder_(target) {}

  void add_picture(const Image& image, const std::string& folder, const std::string& stem,
                   const std::string& text, const std::string& concept_name) {
    const std::string name = folder + "/" + stem + ".png";
    folder_.write(name, encode_png(image));
    nlohmann::ordered_json row;
    row["file_name"] = name;
    row["text"] = text;
    row["style"] = folder;
    row["concept"] = concept_name;
    table_ += row.dump() + '\n';
  }

  void publish_with(const nlohmann::json& receipt) {
    folder_.write("metadata.jsonl", table_);
    folder_.write(kReceipt, receipt.dump(2) + "\n");
    folder_.publish();
  }

 private:
  UnfinishedFolder folder_;
  std::string table_;
};

// All of the styles, or some of them drawn for this picture, in their order.
std::vector<std::string> styles_of(const RestyleRequest& request,
                                   const std::vector<std::string>& names, uint32_t index) {
  if (request.styles_per_image == 0) return names;
  const RandomStream stream(static_cast<uint64_t>(request.seed), "restyle");
  std::vector<int64_t> order = stream.permutation(0, index, static_cast<int64_t>(names.size()));
  order.resize(static_cast<size_t>(request.styles_per_image));
  std::sort(order.begin(), order.end());
  std::vector<std::string> drawn;
  for (const int64_t number : order) drawn.push_back(names[static_cast<size_t>(number)]);
  return drawn;
}

DrawableIcon read_icon(const Source& source, int side) {
  const Image image = read_picture(source.path).image;
  try {
    return DrawableIcon(image, side);
  } catch (const Error& error) {
    fail(source.path.string(), ": ", error.what());
  }
}

std::string five_digits(int64_t number) {
  std::ostringstream text;
  text << std::setw(5) << std::setfill('0') << number;
  return text.str();
}

std::string style_help() {
  std::string text = "NAME, repeatable; absent: all.";
  for (const DrawnStyle& style : drawn_styles())
    text += concat(" ", style.name, ": ", style.description, ".");
  return text;
}

}  // namespace

const FieldList<RestyleRequest>& restyle_fields() {
  static const FieldList<RestyleRequest> list = [] {
    std::vector<std::string> names;
    for (const DrawnStyle& style : drawn_styles()) names.push_back(style.name);
    FieldList<RestyleRequest> f;
    f.group("Restyle");
    f.add("instance_data_dir", &RestyleRequest::instance_data_dir,
          "Folder of flat pictures on white with their captions.");
    f.add("caption_column", &RestyleRequest::caption_column, "Caption key of the metadata file.");
    f.add("style", &RestyleRequest::style, style_help()).one_of(names);
    f.add("styles_per_image", &RestyleRequest::styles_per_image,
          "Draw every picture in so many of the styles, by chance; 0: in all.")
        .at_least(0);
    f.add("resolution", &RestyleRequest::resolution, "Side of the pictures in pixels.")
        .at_least(32)
        .at_most(1024);
    f.add("seed", &RestyleRequest::seed, "Of lights, grounds and all that varies.").at_least(0);
    f.add("shapes", &RestyleRequest::shapes,
          "Also draw so many pictures of random shapes, in a folder of this name; "
          "--instance_data_dir may then be missing.")
        .at_least(0)
        .at_most(1000000);
    f.add("output_dir", &RestyleRequest::output_dir,
          "Where the pictures are written, a folder for each style, with one metadata.jsonl.");
    return f;
  }();
  return list;
}

RestyleReport restyle(const RestyleRequest& request, Progress& progress, std::stop_token stop) {
  check(request);
  const std::vector<std::string> names = wanted_styles(request);
  const std::vector<Source> sources = read_sources(request);
  const auto seed = static_cast<uint64_t>(request.seed);
  const auto side = static_cast<int>(request.resolution);
  RestyleReport report;
  report.sources = static_cast<int64_t>(sources.size());
  DrawnFolder folder(request.output_dir);
  StepMeter meter(progress, "restyle", report.sources + request.shapes);
  for (size_t i = 0; i < sources.size(); ++i) {
    if (stop.stop_requested()) return {report.sources, 0, true};
    const DrawableIcon icon = read_icon(sources[i], side);
    const auto index = static_cast<uint32_t>(i);
    for (const std::string& name : styles_of(request, names, index)) {
      folder.add_picture(icon.in_style(name, seed, index), name, sources[i].stem,
                         style_caption(drawn_style(name), sources[i].caption), sources[i].caption);
      ++report.pictures;
    }
    meter.step();
  }
  for (int64_t i = 0; i < request.shapes; ++i) {
    if (stop.stop_requested()) return {report.sources, 0, true};
    const Image image = draw_shapes(side, seed, static_cast<uint32_t>(i));
    folder.add_picture(image, "shapes", five_digits(i), "shapes", "shapes");
    ++report.pictures;
    meter.step();
  }
  folder.publish_with(restyle_fields().to_json(&request));
  progress.on(SavedEvent{request.output_dir});
  return report;
}

}  // namespace dorabooth
