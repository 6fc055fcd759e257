// From settings to pictures.
#include "pipelines/parts/training_pictures.h"

#include <algorithm>
#include <set>

#include "datasets/example_order.h"
#include "src/base/error.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

void refuse_beside_list(const DataOptions& options) {
  const auto refuse = [](bool given, const char* flag) {
    if (given) {
      throw UsageError(concat("--concepts_list and --", flag,
                              ": with a list of concepts it stands in the list, for each concept"));
    }
  };
  refuse(!options.instance_data_dir.empty(), "instance_data_dir");
  refuse(options.instance_prompt.has_value(), "instance_prompt");
  refuse(options.caption_column.has_value(), "caption_column");
  refuse(options.mask_data_dir.has_value(), "mask_data_dir");
  refuse(options.class_data_dir.has_value(), "class_data_dir");
  refuse(options.class_prompt.has_value(), "class_prompt");
  refuse(options.repeats != 1, "repeats");
}

bool prior_from_pictures(const DataOptions& options) {
  return options.with_prior_preservation && options.prior_preservation_source == "pictures";
}

// `which` opens the message where there are several.
void check_concept(const DataOptions& options, const Concept& one, const std::string& which) {
  if (one.instance_data_dir.empty()) throw UsageError("--instance_data_dir is missing");
  if (!options.with_prior_preservation) return;
  const auto need = [&](const std::optional<std::string>& value, const char* name) {
    if (value.value_or("").empty()) {
      throw UsageError(concat(which, "--", name, " (for --with_prior_preservation) is missing"));
    }
  };
  if (prior_from_pictures(options)) need(one.class_data_dir, "class_data_dir");
  need(one.class_prompt, "class_prompt");
  if (prior_from_pictures(options) &&
      fs::weakly_canonical(*one.class_data_dir) == fs::weakly_canonical(one.instance_data_dir)) {
    throw UsageError(concat(which, "--class_data_dir and --instance_data_dir are the same folder, ",
                            one.instance_data_dir,
                            ": class pictures would be trained as instances"));
  }
}

std::vector<Concept> given_concepts(const DataOptions& options) {
  if (options.concepts_list) return read_concepts(*options.concepts_list);
  Concept one;
  one.instance_data_dir = options.instance_data_dir;
  one.instance_prompt = options.instance_prompt;
  one.caption_column = options.caption_column;
  one.repeats = options.repeats;
  one.mask_data_dir = options.mask_data_dir;
  one.class_data_dir = options.class_data_dir;
  one.class_prompt = options.class_prompt;
  one.num_class_images = options.num_class_images;
  return {one};
}

BucketRule bucket_rule(const DataOptions& options) {
  BucketRule rule;
  rule.resolution = static_cast<int>(options.resolution);
  rule.steps = static_cast<int>(options.bucket_reso_steps);
  rule.min_side = static_cast<int>(options.min_bucket_reso);
  rule.max_side = static_cast<int>(options.max_bucket_reso);
  rule.no_upscale = options.bucket_no_upscale;
  return rule;
}

PictureSize target_of(const ExampleRequest& request, const CaptionedPicture& picture) {
  return request.buckets ? example_size(request, probe_size(picture.path), picture.crop)
                         : request.target;
}

}  // namespace

void check_data_options(const DataOptions& options) {
  if (options.concepts_list) refuse_beside_list(options);
  const std::vector<Concept> concepts = given_concepts(options);
  for (size_t i = 0; i < concepts.size(); ++i) {
    const std::string which =
        options.concepts_list ? concat(*options.concepts_list, " concept ", i + 1, ": ") : "";
    check_concept(options, concepts[i], which);
  }
  if (options.resolution % 8 != 0) {
    throw UsageError(concat("--resolution: want a multiple of 8, got ", options.resolution));
  }
  if (options.enable_bucket) bucket_sizes(bucket_rule(options));
  if (options.bucket_no_upscale && !options.enable_bucket) {
    throw UsageError("--bucket_no_upscale is for --enable_bucket");
  }
  if (options.image_variations > 1 && options.center_crop && !options.random_flip) {
    throw UsageError(concat("--image_variations ", options.image_variations,
                            ": with --center_crop and without --random_flip all are alike"));
  }
  if (options.prior_preservation_source != "pictures" && !options.with_prior_preservation) {
    throw UsageError("--prior_preservation_source is for --with_prior_preservation");
  }
  colour_from_name(options.background_color);
}

std::vector<Concept> concepts_of(const DataOptions& options, std::vector<std::string>* notes) {
  return expand_folders(given_concepts(options), notes);
}

ImageFolder instance_pictures(const DataOptions& options) {
  ImageFolder result;
  for (const Concept& one : concepts_of(options, &result.notes)) {
    ImageFolder folder = read_concept(one);
    result.notes.insert(result.notes.end(), folder.notes.begin(), folder.notes.end());
    std::move(folder.pictures.begin(), folder.pictures.end(), std::back_inserter(result.pictures));
  }
  const auto limit = static_cast<size_t>(options.max_train_samples.value_or(INT64_MAX));
  if (result.pictures.size() > limit) result.pictures.resize(limit);
  return result;
}

ImageFolder class_pictures(const DataOptions& options) {
  ImageFolder result;
  std::set<fs::path> seen;
  for (const Concept& one : given_concepts(options)) {
    if (!one.class_data_dir || !seen.insert(fs::weakly_canonical(*one.class_data_dir)).second)
      continue;
    ImageFolder folder = read_class_pictures(one);
    result.notes.insert(result.notes.end(), folder.notes.begin(), folder.notes.end());
    std::move(folder.pictures.begin(), folder.pictures.end(), std::back_inserter(result.pictures));
  }
  return result;
}

ExampleRequest example_request(const DataOptions& options, uint64_t seed, const std::string& stream,
                               std::vector<CaptionedPicture> pictures) {
  const auto side = static_cast<int>(options.resolution);
  const bool held_out = stream == "held-out";
  ExampleRequest request;
  request.pictures = std::move(pictures);
  if (held_out) {
    for (CaptionedPicture& picture : request.pictures) picture.repeats = 1;
  }
  request.target = {side, side};
  if (options.enable_bucket) request.buckets = bucket_rule(options);
  request.center_crop = options.center_crop || held_out;
  request.interpolation = interpolation_from_name(options.image_interpolation_mode);
  request.random_flip = options.random_flip && !held_out;
  request.variations = held_out ? 1 : options.image_variations;
  request.seed = seed;
  request.stream = stream;
  request.background = colour_from_name(options.background_color);
  request.masks = {options.alpha_mask, options.unmasked_weight};
  return request;
}

std::string heavy_crops(const ExampleRequest& request) {
  constexpr size_t kNamed = 5;
  std::vector<std::string> names;
  for (const CaptionedPicture& picture : request.pictures) {
    if (picture.crop) continue;
    const CropPlan plan = example_plan(request, probe_size(picture.path), std::nullopt, 0);
    if (lost_area(plan) > kHeavyLoss) names.push_back(picture.path.filename().string());
  }
  if (names.empty()) return "";
  std::string list;
  for (size_t i = 0; i < std::min(names.size(), kNamed); ++i)
    list += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kNamed) list += ", …";
  return concat("more than 20 % of the area is cut off of ", names.size(), " of ",
                request.pictures.size(), " pictures (", list, "): --dry_run shows the crops",
                request.buckets ? "" : ", --enable_bucket keeps more");
}

RunSize run_size(const ExampleRequest& request) {
  RunSize size;
  std::set<std::string> captions;
  for (const CaptionedPicture& picture : request.pictures) {
    const PictureSize target = target_of(request, picture);
    size.examples += picture.repeats;
    captions.insert(picture.caption);
    captions.insert(picture.alternatives.begin(), picture.alternatives.end());
    if (int64_t{target.width} * target.height <= size.width * size.height) continue;
    size.width = target.width;
    size.height = target.height;
  }
  size.captions = static_cast<int64_t>(captions.size());
  return size;
}

int64_t batches_per_epoch(const ExampleRequest& request, int64_t batch_size) {
  std::vector<PictureSize> sizes;
  for (const CaptionedPicture& picture : request.pictures) {
    sizes.insert(sizes.end(), static_cast<size_t>(picture.repeats), target_of(request, picture));
  }
  return ExampleOrder(sizes, 0, "", batch_size).batches_per_epoch();
}

}  // namespace dorabooth
