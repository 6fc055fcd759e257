// Which parts of a picture count in the loss: a mask of the picture's name (white counts, black
// does not, grey in between), or the picture's own opacity. Names as in kohya's sd-scripts
// (a folder of masks, alpha_mask) and OneTrainer (dog-masklabel.png beside dog.png,
// unmasked_weight).
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <optional>
#include <string>

#include "datasets/crop.h"

namespace dorabooth {

struct MaskRule {
  bool alpha_mask = false;       // pictures without a mask file use their opacity
  double unmasked_weight = 0.0;  // of what the mask leaves out
};

// The picture's mask: in `folder` where one is given (throws if it has none of that name), else
// beside the picture; or none.
std::optional<std::filesystem::path> mask_file_of(const std::filesystem::path& picture,
                                                  const std::optional<std::string>& folder);

// Weights [1, h, w] fp32 in [unmasked_weight, 1] of a crop's latents, whose sides are `downscale`
// times smaller: the mean over the pixels of each latent. `mask` has the plan's original size or
// one of the same proportions, of which the red channel is read.
at::Tensor loss_mask(const Image& mask, const CropPlan& plan, int64_t downscale,
                     double unmasked_weight);

}  // namespace dorabooth
