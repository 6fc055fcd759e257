// Files of the kernel, and cudaMemGetInfo of the runtime that LibTorch's CUDA side brought.
#include "src/device/available_memory.h"

#include <dlfcn.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace dorabooth {

namespace {

// The number after "KEY:" in kB, as bytes; 0 if there is none.
uint64_t kilobytes(const char* file, const std::string& key) {
  std::ifstream in(file);
  std::string line;
  while (std::getline(in, line)) {
    if (line.starts_with(key + ":")) return std::stoull(line.substr(key.size() + 1)) << 10;
  }
  return 0;
}

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

// A control group's limit; nothing and "max" are none.
uint64_t limit_in(const char* file) {
  std::ifstream in(file);
  uint64_t value = 0;
  return in >> value && value < (uint64_t{1} << 60) ? value : kNoLimit;
}

// What a control group's processes hold besides pages of files, which are given up when others need
// the room: the line "anon N" (version 2) or "total_rss N" (version 1).
uint64_t held_in(const char* file, const std::string& key) {
  std::ifstream in(file);
  std::string name;
  uint64_t value = 0;
  while (in >> name >> value) {
    if (name == key) return value;
  }
  return 0;
}

uint64_t control_group_room(uint64_t resident) {
  uint64_t room = kNoLimit;
  const auto take = [&](const char* limit_file, const char* stat_file, const char* key) {
    const uint64_t limit = limit_in(limit_file);
    if (limit == kNoLimit) return;
    const uint64_t held = std::min(held_in(stat_file, key), limit);
    room = std::min(room, limit - held + std::min(resident, held));
  };
  take("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.stat", "anon");
  take("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.stat",
       "total_rss");
  return room;
}

uint64_t free_cuda_memory() {
  using MemGetInfo = int (*)(size_t*, size_t*);
  const auto query = reinterpret_cast<MemGetInfo>(dlsym(RTLD_DEFAULT, "cudaMemGetInfo"));
  size_t available = 0;
  size_t total = 0;
  return query && query(&available, &total) == 0 ? available : 0;
}

}  // namespace

uint64_t memory_for_this_process(const Device& device) {
  if (device.kind == Device::Kind::kCuda) return free_cuda_memory();
  const uint64_t available = kilobytes("/proc/meminfo", "MemAvailable");
  if (available == 0) return 0;
  const uint64_t resident = kilobytes("/proc/self/status", "VmRSS");
  return std::min(available + resident, control_group_room(resident));
}

}  // namespace dorabooth
