// How much memory a device has for this process.
#pragma once

#include <cstdint>

#include "src/device/device.h"

namespace dorabooth {

// Bytes that this process can have in all, what it holds already included: on a CPU the smaller of
// what the machine has available (/proc/meminfo) and what its control group allows; on CUDA what
// the driver says is free. 0 where it cannot be known. The device is open.
uint64_t memory_for_this_process(const Device& device);

}  // namespace dorabooth
