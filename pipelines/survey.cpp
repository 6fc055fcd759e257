// Crops and captions come from the functions that training calls; only the warnings are made here.
#include "pipelines/survey.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "datasets/caption_edit.h"
#include "pipelines/parts/step_meter.h"
#include "pipelines/parts/training_pictures.h"
#include "src/base/error.h"
#include "src/base/hash.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

ExampleRule rule_of(const SurveyRequest& request) {
  return example_request(request, static_cast<uint64_t>(request.seed), "instance", {});
}

// A picture of the run with what decides its crop.
struct Listed {
  ListedPicture picture;
  Concept of;
  size_t number = 0;     // among all pictures
  uint32_t example = 0;  // its first example
};

std::vector<Listed> listed_pictures(const SurveyRequest& request, std::vector<std::string>* notes) {
  std::vector<Listed> result;
  uint32_t example = 0;
  for (const Concept& one : concepts_of(request, notes)) {
    ImageListing listing = list_image_folder(folder_request(one));
    notes->insert(notes->end(), listing.notes.begin(), listing.notes.end());
    for (ListedPicture& picture : listing.pictures) {
      result.push_back({std::move(picture), one, result.size(), example});
      example += static_cast<uint32_t>(one.repeats);
    }
  }
  return result;
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

void take_crop(SurveyedPicture& result, PictureSize size, const ExampleRule& rule,
               uint32_t example) {
  result.width = size.width;
  result.height = size.height;
  const std::optional<CropRectangle> drawn = drawn_rectangle(result, size);
  const auto index = example * static_cast<uint32_t>(rule.variations);
  try {
    const CropPlan plan = example_plan(rule, size, drawn, index);
    result.bucket_width = plan.target.width;
    result.bucket_height = plan.target.height;
    result.scaled_width = plan.resized.width;
    result.scaled_height = plan.resized.height;
    result.crop = used_part(plan);
    result.drawn = drawn;
    result.area_lost = lost_area(plan);
    warn_of_crop(result, plan.target);
  } catch (const Error& error) {  // too narrow
    warn(result, PictureFault::kUnreadable, error.what());
  }
}

SurveyedPicture begin_picture(const SurveyRequest& request, const Listed& listed) {
  SurveyedPicture result;
  result.path = listed.picture.path.string();
  result.folder = listed.of.instance_data_dir;
  result.name = listed.picture.name;
  result.repeats = listed.of.repeats;
  result.used = static_cast<int64_t>(listed.number) < request.max_train_samples.value_or(INT64_MAX);
  take_caption(result, listed.picture, folder_request(listed.of));
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

struct ClassPictures {
  std::vector<std::string> paths;
  int64_t needed = 0;
};

ClassPictures class_pictures_present(const SurveyRequest& request) {
  ClassPictures result;
  std::set<std::string> seen;
  std::error_code ignored;
  for (const Concept& one : concepts_of(request, nullptr)) {
    if (!one.class_data_dir || !seen.insert(*one.class_data_dir).second) continue;
    result.needed += one.num_class_images;
    if (!fs::is_directory(*one.class_data_dir, ignored)) continue;
    for (const fs::path& path : list_pictures(*one.class_data_dir))
      result.paths.push_back(path.string());
  }
  if (!request.with_prior_preservation || request.prior_preservation_source != "pictures")
    result.needed = 0;
  return result;
}

std::string name_of_data(const SurveyRequest& request) {
  return request.concepts_list.value_or(request.instance_data_dir);
}

// Reads picture files, each once as long as it does not change.
class PictureReader {
 public:
  PictureReader(const SurveyRequest& request, Progress& progress, SurveyCache* cache)
      : thumbnail_size_(request.thumbnail_size),
        progress_(progress),
        cache_(cache ? *cache : own_) {
    if (cache_.folder == name_of_data(request)) return;
    cache_.folder = name_of_data(request);
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

void look_at_instance(SurveyedPicture& picture, const Listed& listed, const ExampleRule& rule,
                      PictureReader& reader, std::map<std::string, std::string>& first_names) {
  const SurveyCache::Picture& file = reader.read(listed.picture.path.string(), listed.number, 0);
  if (!file.error.empty()) return warn(picture, PictureFault::kUnreadable, file.error);
  take_crop(picture, {file.width, file.height}, rule, listed.example);
  const auto [first, is_new] = first_names.emplace(file.sha256, picture.name);
  if (!is_new) warn(picture, PictureFault::kDuplicate, "the same picture as " + first->second);
}

std::vector<BucketCount> counted_buckets(const std::vector<SurveyedPicture>& pictures,
                                         int64_t batch_size) {
  std::map<std::pair<int64_t, int64_t>, int64_t> examples;
  for (const SurveyedPicture& picture : pictures) {
    if (picture.used && picture.bucket_width > 0)
      examples[{picture.bucket_width, picture.bucket_height}] += picture.repeats;
  }
  std::vector<BucketCount> buckets;
  for (const auto& [size, count] : examples) {
    buckets.push_back({size.first, size.second, count, (count + batch_size - 1) / batch_size});
  }
  return buckets;
}

}  // namespace

DatasetReport survey_dataset(const SurveyRequest& request, Progress& progress, std::stop_token stop,
                             SurveyCache* cache) {
  if (request.instance_data_dir.empty() && !request.concepts_list)
    throw UsageError("--instance_data_dir is missing");
  PictureReader reader(request, progress, cache);  // forgets the other folder whatever comes
  DatasetReport report;
  const std::vector<Listed> listing = listed_pictures(request, &report.notes);
  const ExampleRule rule = rule_of(request);
  ClassPictures of_class = class_pictures_present(request);
  report.class_pictures = std::move(of_class.paths);
  report.class_pictures_needed = of_class.needed;
  const size_t class_count = of_class.needed > 0 ? report.class_pictures.size() : 0;
  std::map<std::string, std::string> first_names;  // by what is in the file
  StepMeter meter(progress, "survey", static_cast<int64_t>(listing.size() + class_count));
  const auto stopped = [&] { return report.stopped = stop.stop_requested(); };
  for (const Listed& listed : listing) {
    if (stopped()) return report;
    SurveyedPicture picture = begin_picture(request, listed);
    look_at_instance(picture, listed, rule, reader, first_names);
    report.pictures.push_back(std::move(picture));
    meter.step();
  }
  report.buckets = counted_buckets(report.pictures, request.train_batch_size);
  for (size_t number = 0; number < class_count; ++number) {
    if (stopped()) return report;
    const SurveyCache::Picture& file = reader.read(report.class_pictures[number], number, 1);
    if (!file.error.empty()) report.notes.push_back("class picture " + file.error);
    meter.step();
  }
  return report;
}

SurveyedPicture survey_picture(const SurveyRequest& request, const std::string& folder,
                               const std::string& name) {
  std::vector<std::string> notes;
  for (const Listed& listed : listed_pictures(request, &notes)) {
    if (listed.of.instance_data_dir != folder || listed.picture.name != name) continue;
    SurveyedPicture picture = begin_picture(request, listed);
    try {
      take_crop(picture, probe_size(listed.picture.path), rule_of(request), listed.example);
    } catch (const Error& error) {
      warn(picture, PictureFault::kUnreadable, error.what());
    }
    return picture;
  }
  fail("no picture ", name, " in ", folder);
}

SurveyedPicture edit_picture(const SurveyRequest& settings, const PictureEdit& edit) {
  std::vector<std::string> notes;
  SurveyRequest request = settings;
  const auto concepts = concepts_of(request, &notes);
  if (std::none_of(concepts.begin(), concepts.end(), [&](const Concept& one) {
        return one.instance_data_dir == edit.folder;
      })) {  // of a folder that was left meanwhile
    request.concepts_list.reset();
    request.instance_data_dir = edit.folder;
  }
  const std::vector<Listed> listing = listed_pictures(request, &notes);
  const auto listed = std::find_if(listing.begin(), listing.end(), [&](const Listed& p) {
    return p.of.instance_data_dir == edit.folder && p.picture.name == edit.name;
  });
  if (listed == listing.end()) fail("no picture ", edit.name, " in ", edit.folder);
  switch (edit.what) {
    case PictureEdit::What::kCaption:
      save_caption(folder_request(listed->of), listed->picture, edit.caption);
      break;
    case PictureEdit::What::kCrop:
      save_crop_rectangle(listed->picture.path, edit.crop);
      break;
  }
  return survey_picture(request, edit.folder, edit.name);
}

Image picture_preview(const std::string& path, int64_t side) {
  return fitted(read_picture(path).image, side);
}

}  // namespace dorabooth
