// The steps of reading an adapter file that all of its readers share. Internal to src/adapter.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "src/adapter/adapter_file.h"
#include "src/adapter/adapter_source.h"

namespace dorabooth {

// LoRA and DoRA of these modules, which are linear layers with a pair of factors or a magnitude
// alone.
AdapterFile read_linear_adapters(const AdapterSource& source, const LinearLayers& layers,
                                 const std::vector<std::string>& modules,
                                 const std::optional<bool>& input_axis);

// The axis of all magnitudes of the file; nothing where there are none.
std::optional<bool> input_axis_of(const AdapterSource& source, const ReadingOptions& options);

// Magnitudes that are right under one reader's rule alone are not m: without the base's weights
// they stand for nothing.
void refuse_foreign_rule(const std::map<std::string, std::string>& metadata,
                         const BaseWeights& base);

}  // namespace dorabooth
