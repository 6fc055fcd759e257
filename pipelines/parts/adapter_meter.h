// How far an adapter has moved its base, by block of the model: a number that keeps growing while
// the held-out loss does not fall is over-fitting. Internal to pipelines/train.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "src/adapter/set.h"

namespace dorabooth {

struct BlockDrift {
  // ‖W' − W‖_F / ‖W‖_F over the block's adapted layers, W' merged. W as it is used: of a quantised
  // base, dequantised.
  double weight_change = 0.0;
  // Mean of |m / m₀ − 1|, m₀ the norms of W along the magnitudes' axis; rows or columns of zeros
  // are left out. Absent for kinds without magnitudes.
  std::optional<double> magnitude_drift;
};

// "unet.down_blocks.1" of "unet.down_blocks.1.attentions.0.…", "unet.mid_block", "text_encoder".
std::string block_of(const std::string& module);

// Of the adapters as they are, at the strength they have; by block_of. `layers` are those that the
// set was made for. Works on blocks of rows of 16 MB at most (64 rows at least), on a CPU of 1 MB;
// there one core takes 0.7 to 0.8 ns a weight: 0.8 s for the attention of SDXL's UNet, a fifth of a
// training step at 256 pixels.
std::map<std::string, BlockDrift> measure_drift(AdapterSet& set, const LinearLayers& layers);

}  // namespace dorabooth
