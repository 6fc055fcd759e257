// Aspect buckets: pictures are trained at the size of about the same area that is nearest to their
// own proportions (NovelAI 2022; the rule and the option names of kohya's sd-scripts, whose default
// largest side of 1024 would forbid SDXL's own wide buckets).
#pragma once

#include <vector>

#include "src/imagefile/image_file.h"

namespace dorabooth {

struct BucketRule {
  int resolution = 1024;  // the area of a bucket is at most its square
  int steps = 64;         // sides are multiples of it
  int min_side = 256;
  int max_side = 2048;
  // A picture of less than that area gets a bucket of its own size, rounded down to the steps.
  bool no_upscale = false;
};

// All sizes of the rule, by width and then height, the square among them. Throws UsageError where
// the bounds leave none.
std::vector<PictureSize> bucket_sizes(const BucketRule& rule);

// The size of the smallest difference in width / height to the picture's; of equal ones the first.
PictureSize bucket_of(const BucketRule& rule, PictureSize picture);

}  // namespace dorabooth
