// Crops and captions come from the functions that training calls; only the warnings are made here.
#include "pipelines/survey.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "datasets/caption_edit.h"
#include "datasets/example_plan.h"
#include "datasets/image_folder.h"
#include "pipelines/parts/step_meter.h"
#include "src/base/error.h"
#include "src/base/hash.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

constexpr double kHeavyLoss = 0.2;  // of a picture's area

ImageFolderRequest folder_request(const SurveyRequest& request) {
  return {request.instance_data_dir, request.caption_column, request.instance_prompt};
}

ExampleRule rule_of(const SurveyRequest& request) {
  const auto side = static_cast<int>(request.resolution);
  ExampleRule rule;
  rule.target = {side, side};
  rule.center_crop = request.center_crop;
  rule.random_flip = request.random_flip;
  rule.repeats = request.repeats;
  rule.seed = static_cast<uint64_t>(request.seed);
  rule.stream = "instance";
  return rule;
}

const char* source_text(CaptionSource source) {
  switch (source) {
    case CaptionSource::kTable:
      return "table";
    case CaptionSource::kSidecar:
      return "sidecar";
    case CaptionSource::kPrompt:
      return "prompt";
    case CaptionSource::kNone:
      break;
  }
  return "none";
}

void warn(SurveyedPicture& picture, PictureFault fault, std::string text) {
  picture.warnings.push_back({fault, std::move(text)});
}

void take_caption(SurveyedPicture& result, const ListedPicture& listed,
                  const ImageFolderRequest& request) {
  try {
    const OwnCaption own = own_caption(listed);
    result.own_caption = own.text;
    result.caption_source = source_text(own.source);
    result.caption = training_caption(listed, own, request);
    if (own.source == CaptionSource::kNone)
      result.caption_source = source_text(CaptionSource::kPrompt);
  } catch (const Error& error) {
    if (result.caption_source.empty()) result.caption_source = source_text(CaptionSource::kNone);
    warn(result, PictureFault::kNoCaption, error.what());
  }
}

std::optional<CropRectangle> drawn_rectangle(SurveyedPicture& result, PictureSize size) {
  const fs::path file = crop_file_of(result.path);
  try {
    const std::optional<CropRectangle> drawn = read_crop_rectangle(result.path);
    if (drawn) check_crop_rectangle(*drawn, size, file.string());
    return drawn;
  } catch (const Error& error) {
    warn(result, PictureFault::kBadCrop, error.what());
    return std::nullopt;
  }
}

std::string size_text(int64_t width, int64_t height) { return concat(width, "x", height); }

void warn_of_crop(SurveyedPicture& result, PictureSize target) {
  const CropRectangle& part = result.crop;
  if (part.width < target.width || part.height < target.height) {
    warn(result, PictureFault::kSmall,
         concat(size_text(part.width, part.height), " pixels are enlarged to ",
                size_text(target.width, target.height)));
  }
  // A crop that was drawn is meant.
  if (result.drawn || result.area_lost <= kHeavyLoss) return;
  warn(result, PictureFault::kHeavyCrop,
       concat(static_cast<int>(100 * result.area_lost + 0.5), " % of the area is cut off"));
}

void take_crop(SurveyedPicture& result, PictureSize size, const ExampleRule& rule, size_t number) {
  result.width = size.width;
  result.height = size.height;
  const std::optional<CropRectangle> drawn = drawn_rectangle(result, size);
  const auto index = static_cast<uint32_t>(static_cast<int64_t>(number) * rule.repeats);
  try {
    const CropPlan plan = example_plan(rule, size, drawn, index);
    result.scaled_width = plan.resized.width;
    result.scaled_height = plan.resized.height;
    result.crop = used_part(plan);
    result.drawn = drawn;
    result.area_lost = lost_area(plan);
    warn_of_crop(result, rule.target);
  } catch (const Error& error) {  // too narrow
    warn(result, PictureFault::kUnreadable, error.what());
  }
}

SurveyedPicture begin_picture(const SurveyRequest& request, const ListedPicture& listed,
                              size_t number) {
  SurveyedPicture result;
  result.path = listed.path.string();
  result.name = listed.name;
  result.used = static_cast<int64_t>(number) < request.max_train_samples.value_or(INT64_MAX);
  take_caption(result, listed, folder_request(request));
  return result;
}

Image fitted(const Image& image, int64_t side) {
  const auto longer = static_cast<int64_t>(std::max(image.width, image.height));
  if (longer <= side) return image;
  const auto part = [&](int length) {
    return static_cast<int>(std::max<int64_t>(1, (2 * length * side + longer) / (2 * longer)));
  };
  CropPlan plan;
  plan.original = {image.width, image.height};
  plan.target = {part(image.width), part(image.height)};
  plan.resized = plan.target;
  return apply_crop(image, plan);
}

std::vector<std::string> class_pictures_present(const SurveyRequest& request) {
  std::vector<std::string> paths;
  std::error_code ignored;
  if (!request.class_data_dir || !fs::is_directory(*request.class_data_dir, ignored)) return paths;
  for (const fs::path& path : list_pictures(*request.class_data_dir))
    paths.push_back(path.string());
  return paths;
}

// Reads picture files, each once as long as it does not change.
class PictureReader {
 public:
  PictureReader(const SurveyRequest& request, Progress& progress, SurveyCache* cache)
      : thumbnail_size_(request.thumbnail_size),
        progress_(progress),
        cache_(cache ? *cache : own_) {
    if (cache_.folder == request.instance_data_dir) return;
    cache_.folder = request.instance_data_dir;
    cache_.pictures.clear();
  }

  // The thumbnail goes to this row and column.
  const SurveyCache::Picture& read(const std::string& path, size_t row, int64_t column) {
    SurveyCache::Picture& picture = cache_.pictures[path];
    std::error_code ignored;
    const auto written = fs::last_write_time(path, ignored);
    const uintmax_t bytes = fs::file_size(path, ignored);
    if (picture.width > 0 && picture.written == written && picture.bytes == bytes &&
        picture.thumbnail_size == thumbnail_size_)
      return picture;
    picture = {written, bytes, thumbnail_size_, 0, 0, "", ""};
    try {
      const Image image = read_picture(path).image;
      picture.sha256 = sha256_of_file(path);
      if (thumbnail_size_ > 0) {
        progress_.on(PreviewEvent{static_cast<int64_t>(row), column, path, "",
                                  fitted(image, thumbnail_size_)});
      }
      picture.width = image.width;
      picture.height = image.height;
    } catch (const Error& error) {
      picture.error = error.what();
    }
    return picture;
  }

 private:
  int64_t thumbnail_size_;
  Progress& progress_;
  SurveyCache own_;
  SurveyCache& cache_;
};

void look_at_instance(SurveyedPicture& picture, const ListedPicture& listed,
                      const ExampleRule& rule, size_t number, PictureReader& reader,
                      std::map<std::string, std::string>& first_names) {
  const SurveyCache::Picture& file = reader.read(listed.path.string(), number, 0);
  if (!file.error.empty()) return warn(picture, PictureFault::kUnreadable, file.error);
  take_crop(picture, {file.width, file.height}, rule, number);
  const auto [first, is_new] = first_names.emplace(file.sha256, picture.name);
  if (!is_new) warn(picture, PictureFault::kDuplicate, "the same picture as " + first->second);
}

}  // namespace

DatasetReport survey_dataset(const SurveyRequest& request, Progress& progress, std::stop_token stop,
                             SurveyCache* cache) {
  if (request.instance_data_dir.empty()) throw UsageError("--instance_data_dir is missing");
  PictureReader reader(request, progress, cache);  // forgets the other folder whatever comes
  const ImageListing listing = list_image_folder(folder_request(request));
  const ExampleRule rule = rule_of(request);
  DatasetReport report;
  report.notes = listing.notes;
  report.class_pictures = class_pictures_present(request);
  const bool with_class = request.with_prior_preservation;
  if (with_class) report.class_pictures_needed = request.num_class_images;
  const size_t class_count = with_class ? report.class_pictures.size() : 0;
  std::map<std::string, std::string> first_names;  // by what is in the file
  StepMeter meter(progress, "survey", static_cast<int64_t>(listing.pictures.size() + class_count));
  const auto stopped = [&] { return report.stopped = stop.stop_requested(); };
  for (size_t number = 0; number < listing.pictures.size(); ++number) {
    if (stopped()) return report;
    const ListedPicture& listed = listing.pictures[number];
    SurveyedPicture picture = begin_picture(request, listed, number);
    look_at_instance(picture, listed, rule, number, reader, first_names);
    report.pictures.push_back(std::move(picture));
    meter.step();
  }
  for (size_t number = 0; number < class_count; ++number) {
    if (stopped()) return report;
    const SurveyCache::Picture& file = reader.read(report.class_pictures[number], number, 1);
    if (!file.error.empty()) report.notes.push_back("class picture " + file.error);
    meter.step();
  }
  return report;
}

SurveyedPicture survey_picture(const SurveyRequest& request, const std::string& name) {
  const ImageListing listing = list_image_folder(folder_request(request));
  for (size_t number = 0; number < listing.pictures.size(); ++number) {
    const ListedPicture& listed = listing.pictures[number];
    if (listed.name != name) continue;
    SurveyedPicture picture = begin_picture(request, listed, number);
    try {
      take_crop(picture, probe_size(listed.path), rule_of(request), number);
    } catch (const Error& error) {
      warn(picture, PictureFault::kUnreadable, error.what());
    }
    return picture;
  }
  fail("no picture ", name, " in ", request.instance_data_dir);
}

SurveyedPicture edit_picture(const SurveyRequest& request, const PictureEdit& edit) {
  SurveyRequest of_edit = request;
  of_edit.instance_data_dir = edit.folder;
  const ImageFolderRequest folder = folder_request(of_edit);
  const ImageListing listing = list_image_folder(folder);
  const auto listed = std::find_if(listing.pictures.begin(), listing.pictures.end(),
                                   [&](const ListedPicture& p) { return p.name == edit.name; });
  if (listed == listing.pictures.end()) fail("no picture ", edit.name, " in ", edit.folder);
  switch (edit.what) {
    case PictureEdit::What::kCaption:
      save_caption(folder, *listed, edit.caption);
      break;
    case PictureEdit::What::kCrop:
      save_crop_rectangle(listed->path, edit.crop);
      break;
  }
  return survey_picture(of_edit, edit.name);
}

Image picture_preview(const std::string& path, int64_t side) {
  return fitted(read_picture(path).image, side);
}

}  // namespace dorabooth
