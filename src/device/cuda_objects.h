// The shared objects of the CUDA side, opened at most once a process: the driver, LibTorch's CUDA
// library, our kernels.
#pragma once

#include <string>

#include "kernels/adapter_core.h"

namespace dorabooth {

struct CudaObjects {
  std::string missing;  // what was not found, or empty
  int device_count = 0;
  std::string folder;                 // where our objects lie
  const AdapterCore* core = nullptr;  // null if something is missing
};

// Opens them at the first call. Objects stay open until the process ends.
const CudaObjects& cuda_objects();

}  // namespace dorabooth
