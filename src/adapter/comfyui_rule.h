// Magnitudes in a file for ComfyUI, which divides them by the norms of W instead of W + ΔW: there
// stands d = m·(‖W‖ + eps)/‖W + ΔW‖ in the place of m, by rows. Internal to src/adapter.
#pragma once

#include <map>
#include <string>

#include "src/adapter/adapter_contents.h"

namespace dorabooth {

// Whether the header says that the file's magnitudes are of that kind.
bool has_comfyui_magnitudes(const std::map<std::string, std::string>& metadata);

// d from m; where the changed row is 0 it stays 0 whatever stands here, and m is kept.
at::Tensor comfyui_magnitude(const at::Tensor& m, const RowNorms& norms);

// The m of everything that was read with d in its place, by the weights of the base.
void restore_magnitudes(AdapterContents& contents, const BaseWeights& base);

}  // namespace dorabooth
