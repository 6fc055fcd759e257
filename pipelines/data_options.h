// Settings that say which pictures a run learns from and how they are cut: the same for a training
// run, its dry run and the survey of a folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "src/config/field_list.h"

namespace dorabooth {

struct DataOptions {
  std::string instance_data_dir;
  std::optional<std::string> concepts_list;
  std::optional<std::string> instance_prompt;
  std::optional<std::string> caption_column;
  int64_t repeats = 1;
  int64_t resolution = 1024;
  bool center_crop = false;
  std::string image_interpolation_mode = "lanczos";
  bool random_flip = false;
  int64_t image_variations = 1;
  std::optional<int64_t> max_train_samples;

  bool enable_bucket = false;
  int64_t bucket_reso_steps = 64;
  int64_t min_bucket_reso = 256;
  int64_t max_bucket_reso = 2048;
  bool bucket_no_upscale = false;

  std::string background_color = "white";
  bool alpha_mask = false;
  std::optional<std::string> mask_data_dir;
  double unmasked_weight = 0.0;

  bool with_prior_preservation = false;
  std::string prior_preservation_source = "pictures";
  std::optional<std::string> class_data_dir;
  std::optional<std::string> class_prompt;
  int64_t num_class_images = 100;

  bool operator==(const DataOptions&) const = default;
};

template <typename T>
void add_picture_fields(FieldList<T>& f) {
  f.add("instance_data_dir", &DataOptions::instance_data_dir,
        "Folder with the pictures to learn from; or of kohya's sub-folders, such as '10_sks dog': "
        "pictures of 'sks dog', each ten times an epoch.");
  f.add("concepts_list", &DataOptions::concepts_list,
        "JSON list of several concepts, each with its instance_data_dir, instance_prompt, repeats, "
        "loss_weight, mask_data_dir, class_data_dir, class_prompt; in place of those flags.");
  f.add("instance_prompt", &DataOptions::instance_prompt,
        "Prompt of every picture without a caption of its own; {caption} in it is replaced by the "
        "picture's caption.");
  f.add("caption_column", &DataOptions::caption_column,
        "Caption key in metadata.jsonl or metadata.csv; absent: text, prompt or caption.");
  f.add("repeats", &DataOptions::repeats, "How often a picture occurs in one epoch.")
      .at_least(1)
      .at_most(100000);
  f.add("resolution", &DataOptions::resolution, "Side of the training crops in pixels.")
      .at_least(32)
      .at_most(4096);
  f.add("center_crop", &DataOptions::center_crop, "Crop the centre instead of a random part.");
  f.add("image_interpolation_mode", &DataOptions::image_interpolation_mode,
        "Filter by which pictures are enlarged; those that shrink are always averaged by area.")
      .one_of({"bilinear", "bicubic", "lanczos", "area"});
  f.add("random_flip", &DataOptions::random_flip, "Flip half of the pictures horizontally.");
  f.add("image_variations", &DataOptions::image_variations,
        "Crops and flips that are made of each picture, used in turn from epoch to epoch.")
      .at_least(1)
      .at_most(1000);
  f.add("max_train_samples", &DataOptions::max_train_samples, "Use only the first N pictures.")
      .at_least(1);
}

template <typename T>
void add_bucket_fields(FieldList<T>& f) {
  f.add("enable_bucket", &DataOptions::enable_bucket,
        "Aspect buckets: each picture is cropped to the size of about resolution² pixels that is "
        "nearest to its proportions. A batch holds one size; a size's last batch of an epoch may "
        "be short.");
  f.add("bucket_reso_steps", &DataOptions::bucket_reso_steps,
        "Sides of buckets are multiples of it.")
      .at_least(8)
      .at_most(1024);
  f.add("min_bucket_reso", &DataOptions::min_bucket_reso, "Smallest side of a bucket.")
      .at_least(8)
      .at_most(4096);
  f.add("max_bucket_reso", &DataOptions::max_bucket_reso, "Largest side of a bucket.")
      .at_least(8)
      .at_most(8192);
  f.add("bucket_no_upscale", &DataOptions::bucket_no_upscale,
        "Smaller pictures get a bucket of their own size, rounded down, and are not enlarged.");
}

template <typename T>
void add_mask_fields(FieldList<T>& f) {
  f.add("background_color", &DataOptions::background_color,
        "What transparent pixels lie on: white, black, gray or #rrggbb.");
  f.add("alpha_mask", &DataOptions::alpha_mask,
        "Opacity weights the loss: transparent parts are not learned.");
  f.add("mask_data_dir", &DataOptions::mask_data_dir,
        "Folder of masks with the pictures' names: white is learned, black is not. Masks beside "
        "the pictures (dog-masklabel.png beside dog.png) need no flag.");
  f.add("unmasked_weight", &DataOptions::unmasked_weight,
        "Weight in the loss of what a mask leaves out.")
      .at_least(0)
      .at_most(1);
}

template <typename T>
void add_prior_fields(FieldList<T>& f) {
  f.add("with_prior_preservation", &DataOptions::with_prior_preservation,
        "Keep what the base makes of the class prompt: a second loss beside the instances'.");
  f.add("prior_preservation_source", &DataOptions::prior_preservation_source,
        "What is kept: class pictures; or, without any picture, what the frozen base predicts for "
        "the class prompt in the same step (the adapters are switched off for it).")
      .one_of({"pictures", "base"});
  f.add("class_data_dir", &DataOptions::class_data_dir,
        "Folder of class pictures; missing ones are generated from the base.");
  f.add("class_prompt", &DataOptions::class_prompt, "Prompt of the class.");
  f.add("num_class_images", &DataOptions::num_class_images,
        "How many class pictures there should be.")
      .at_least(1);
}

}  // namespace dorabooth
