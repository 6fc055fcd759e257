// UNet module paths in the original single-file (SGM) layout, derived from the diffusers paths by
// the block arithmetic of the two layouts. Torch-free.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace dorabooth {

// "down_blocks.1.attentions.0.proj_in" -> "input_blocks.4.1.proj_in": a module or parameter path
// without the component's prefix. Nothing where the layout has no such module. Upsamplers stand
// behind an attention (sub-index 2), as in every level of SDXL that has one.
std::optional<std::string> sgm_unet_path(const std::string& path, int64_t resnets_per_block = 2);

}  // namespace dorabooth
