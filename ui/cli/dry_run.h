// dorabooth train --dry_run
#pragma once

#include <stop_token>

#include "pipelines/train.h"
#include "ui/cli/arguments.h"
#include "ui/cli/commands.h"

namespace dorabooth {

// Prints the list of pictures, the sizes with their numbers of pictures and batches, and the
// forecast; returns the exit status: 1 if the run would be refused.
int show_dry_run(const TrainConfig& config, const ReadArguments& read, const Streams& streams,
                 std::stop_token stop);

}  // namespace dorabooth
