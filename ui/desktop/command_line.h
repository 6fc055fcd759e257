// The command that does what a form says.
#pragma once

#include <string>

#include "pipelines/train.h"
#include "src/config/field_list.h"

namespace dorabooth {

// "dorabooth train --rank 8 …": the flags whose value is not the default, quoted for a shell.
std::string command_text(const std::string& command, const FieldTable& table, const void* object,
                         const void* defaults);

std::string train_command(const TrainConfig& config);

}  // namespace dorabooth
