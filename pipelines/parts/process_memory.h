// Memory of this process as the kernel counts it (/proc/self/status), and on its GPU as LibTorch
// does.
#pragma once

#include "src/device/device.h"

namespace dorabooth {

double peak_memory_mb();      // VmHWM
double resident_memory_mb();  // VmRSS
// The largest amount that LibTorch has reserved on a GPU so far; 0 for the CPU. Waits for nothing.
double peak_device_memory_mb(const Device& device);
void reset_peak_memory();  // the peak counts from now

}  // namespace dorabooth
