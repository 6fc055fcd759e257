// Texts about a field that help, messages and generated pages share.
#pragma once

#include <string>

#include "src/config/field_list.h"

namespace dorabooth {

// "at least 1 and at most 64", "above 0", or "" without bounds.
std::string bounds_text(const Field& field);

}  // namespace dorabooth
