// The streams are named after the use, so that class and instance pictures draw apart.
#include "datasets/example_plan.h"

#include "src/base/random_stream.h"

namespace dorabooth {

PictureSize example_size(const ExampleRule& rule, PictureSize original,
                         const std::optional<CropRectangle>& drawn) {
  if (!rule.buckets) return rule.target;
  if (!drawn) return bucket_of(*rule.buckets, original);
  return bucket_of(*rule.buckets,
                   {static_cast<int>(drawn->width), static_cast<int>(drawn->height)});
}

CropPlan example_plan(const ExampleRule& rule, PictureSize original,
                      const std::optional<CropRectangle>& drawn, uint32_t index) {
  const RandomStream flips(rule.seed, rule.stream + "/flip");
  const RandomStream crops(rule.seed, rule.stream + "/crop");
  const bool flipped = rule.random_flip && flips.integer(0, index, 2) == 1;
  const PictureSize target = example_size(rule, original, drawn);
  if (drawn) return drawn_crop(original, target, flipped, rule.interpolation, *drawn);
  return rule.center_crop
             ? centre_crop(original, target, flipped, rule.interpolation)
             : random_crop(original, target, flipped, rule.interpolation, crops, 0, index);
}

}  // namespace dorabooth
