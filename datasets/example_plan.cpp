// The streams are named after the use, so that class and instance pictures draw apart.
#include "datasets/example_plan.h"

#include "src/base/random_stream.h"

namespace dorabooth {

CropPlan example_plan(const ExampleRule& rule, PictureSize original,
                      const std::optional<CropRectangle>& drawn, uint32_t index) {
  const RandomStream flips(rule.seed, rule.stream + "/flip");
  const RandomStream crops(rule.seed, rule.stream + "/crop");
  const bool flipped = rule.random_flip && flips.integer(0, index, 2) == 1;
  if (drawn) return drawn_crop(original, rule.target, flipped, Interpolation::kLanczos, *drawn);
  return rule.center_crop ? centre_crop(original, rule.target, flipped, Interpolation::kLanczos)
                          : random_crop(original, rule.target, flipped, Interpolation::kLanczos,
                                        crops, 0, index);
}

}  // namespace dorabooth
