// The CUDA kernels compiled for the host: every block's threads run as fibers of one CPU thread.
// For tests.
#pragma once

#include "kernels/adapter_core.h"

namespace dorabooth {

// The order in which the threads of a block get their turn between barriers. A missing barrier
// shows as a result that depends on it.
enum class LaneOrder { kForward, kReverse, kShuffled };

// Link dorabooth_emulation. Pointers are host pointers; streams are ignored.
const AdapterCore& emulated_core(LaneOrder order = LaneOrder::kForward);

}  // namespace dorabooth
