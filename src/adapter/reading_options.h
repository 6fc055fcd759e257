// What adapter files are read against, and how strictly. Torch-free.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace dorabooth {

// Parameters of a base by full name ("unet.conv_in.weight"), with their shapes.
using ParameterShapes = std::map<std::string, std::vector<int64_t>>;

struct ReadingOptions {
  bool ignore_unknown = false;  // unknown keys are listed instead of refused
  // "output" or "input": whose magnitudes a bare dora_scale holds where the file leaves it open.
  std::optional<std::string> dora_axis;
};

}  // namespace dorabooth
