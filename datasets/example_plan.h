// Which part of a picture an example is: the one rule, for training, evaluation and the survey of a
// folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "datasets/bucket.h"
#include "datasets/crop.h"

namespace dorabooth {

struct ExampleRule {
  PictureSize target;                 // without buckets
  std::optional<BucketRule> buckets;  // the target is the picture's bucket
  bool center_crop = false;
  Interpolation interpolation = Interpolation::kLanczos;  // of pictures that are enlarged
  bool random_flip = false;
  int64_t variations = 1;  // of every example, each with a crop and a flip of its own
  uint64_t seed = 0;
  std::string stream;  // opens the names of the random streams: "instance", "class"
  Rgb background;      // under transparent pixels
};

// What a picture becomes: its bucket (that of the drawn rectangle, where there is one), or the
// rule's one target.
PictureSize example_size(const ExampleRule& rule, PictureSize original,
                         const std::optional<CropRectangle>& drawn);

// `index` counts the variations of all examples: example × variations + variation, where a picture
// is as many examples as it has repeats. A drawn rectangle is the crop of all of them; the flips
// are the same with and without it.
CropPlan example_plan(const ExampleRule& rule, PictureSize original,
                      const std::optional<CropRectangle>& drawn, uint32_t index);

}  // namespace dorabooth
