// Reads /proc/self/status; writing 5 to clear_refs restarts the peak.
#include "pipelines/parts/process_memory.h"

#include <fstream>
#include <string>

namespace dorabooth {

namespace {

double status_mb(const std::string& key) {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with(key + ":")) return std::stod(line.substr(key.size() + 1)) / 1024.0;
  }
  return 0.0;
}

}  // namespace

double peak_memory_mb() { return status_mb("VmHWM"); }
double resident_memory_mb() { return status_mb("VmRSS"); }

void reset_peak_memory() { std::ofstream("/proc/self/clear_refs") << "5"; }

}  // namespace dorabooth
