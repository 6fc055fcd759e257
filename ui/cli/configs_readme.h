// The text of configs/README.md: every setting of every command, from the field lists.
#pragma once

#include <string>

namespace dorabooth {

std::string configs_readme();

}  // namespace dorabooth
