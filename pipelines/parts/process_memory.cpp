// Reads /proc/self/status; writing 5 to clear_refs restarts the peak.
#include "pipelines/parts/process_memory.h"

#include <c10/core/CachingDeviceAllocator.h>

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

double peak_device_memory_mb(const Device& device) {
  if (device.kind != Device::Kind::kCuda) return 0.0;
  auto* allocator = dynamic_cast<c10::DeviceAllocator*>(c10::GetAllocator(c10::DeviceType::CUDA));
  if (!allocator) return 0.0;
  const auto all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  const auto stats = allocator->getDeviceStats(static_cast<c10::DeviceIndex>(device.index));
  return static_cast<double>(stats.reserved_bytes[all].peak) / (1 << 20);
}

void reset_peak_memory() { std::ofstream("/proc/self/clear_refs") << "5"; }

}  // namespace dorabooth
