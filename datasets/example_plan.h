// Which part of a picture an example is: the one rule, for training, evaluation and the survey of a
// folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "datasets/crop.h"

namespace dorabooth {

struct ExampleRule {
  PictureSize target;
  bool center_crop = false;
  bool random_flip = false;
  int64_t repeats = 1;  // each repeat has a crop and a flip of its own
  uint64_t seed = 0;
  std::string stream;  // opens the names of the random streams: "instance", "class"
};

// `index` counts examples: picture × repeats + repeat. A drawn rectangle is the crop of every
// repeat; the flips are the same with and without it.
CropPlan example_plan(const ExampleRule& rule, PictureSize original,
                      const std::optional<CropRectangle>& drawn, uint32_t index);

}  // namespace dorabooth
