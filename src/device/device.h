// Which device a program computes on. Torch-free, so that request structs and programs may name it.
// Opening CUDA means loading LibTorch's CUDA side and our kernels by dlopen, which works only
// before the first torch call of the process: LibTorch asks for its CUDA hooks once and keeps the
// answer.
#pragma once

#include <string>

namespace dorabooth {

struct Device {
  enum class Kind { kCpu, kCuda };
  Kind kind = Kind::kCpu;
  int index = 0;

  std::string text() const;  // "cpu", "cuda:0"
  bool operator==(const Device&) const = default;
};

// What `--device auto|cpu|cuda[:n]` says; throws UsageError for anything else.
struct DeviceRequest {
  enum class Kind { kAuto, kCpu, kCuda };
  Kind kind = Kind::kAuto;
  int index = 0;

  static DeviceRequest parse(const std::string& text);
};

// Makes the asked device usable and says which it is. The first thing a program calls, before any
// torch call. `auto` takes cuda:0 where a driver, LibTorch's CUDA side and our CUDA object are all
// there, the CPU otherwise; `cuda` throws one sentence that names what is missing. Later calls open
// nothing new. The device becomes the calling thread's current one, on which kernels are launched.
Device open_device(const std::string& request);

}  // namespace dorabooth
