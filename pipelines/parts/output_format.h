// A trained adapter, written again for the reader that output_format names. Internal to
// pipelines/train.
#pragma once

#include <filesystem>
#include <string>

#include "pipelines/progress.h"
#include "pipelines/train.h"

namespace dorabooth {

// Before the training: a reader that cannot hold the adapters, or a base that convert cannot read,
// is an error.
void check_output_format(const TrainConfig& config);

// convert() on the adapter's file and the run's base, and nothing else: the bytes are those of the
// command. The path; "" with diffusers, whose file the adapter's is.
std::string write_for_reader(const TrainConfig& config, const std::filesystem::path& adapter,
                             Progress& progress);

}  // namespace dorabooth
