// A training that begins where another adapter ended: one of this program's or of another tool.
// Internal to pipelines/train.
#pragma once

#include <filesystem>

#include "src/adapter/set.h"
#include "src/base/log.h"

namespace dorabooth {

// Gives the fresh adapters of `set` the numbers of the file, so that they begin as it: its scale
// goes into B where the run's is another. A DoRA that begins as a LoRA gets the norms of W + s·B·A
// as its magnitudes. Every module of the set must be in the file with the set's rank, and the other
// way round; a VeRA, or a LoRA that would begin as a DoRA, is refused. `core` is the set's.
void begin_as(AdapterSet& set, const LinearLayers& layers, const std::filesystem::path& path,
              const AdapterCore& core, const Log& log);

}  // namespace dorabooth
