// Actions of the Compare window.
#pragma once

#include <variant>

namespace dorabooth {

struct StartCompare {};
struct StopCompare {};

using CompareAction = std::variant<StartCompare, StopCompare>;

}  // namespace dorabooth
