// Memory of this process as the kernel counts it (/proc/self/status).
#pragma once

namespace dorabooth {

double peak_memory_mb();      // VmHWM
double resident_memory_mb();  // VmRSS
void reset_peak_memory();     // the peak counts from now

}  // namespace dorabooth
