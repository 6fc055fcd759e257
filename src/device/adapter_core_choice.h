// Which adapter core serves the tensors of a torch device, and the parallel loop that CPU twins run
// on.
#pragma once

#include <c10/core/Device.h>

#include "kernels/adapter_core.h"
#include "src/device/device.h"

namespace dorabooth {

c10::Device torch_device(const Device& device);

// CPU tensors: cpu_core(), or the core of the innermost AdapterCoreScope of this thread. CUDA
// tensors: the CUDA object's core; throws if open_device() did not open it. An autograd function
// keeps the reference that its forward got, so that the backward runs on the same core whatever
// thread it is on.
const AdapterCore& adapter_core(c10::Device device);

// While it lives, adapter_core() of CPU tensors on this thread is `core`: how tests run the
// emulated CUDA kernels (kernels/emulation/emulated_core.h) through all of the library.
class AdapterCoreScope {
 public:
  explicit AdapterCoreScope(const AdapterCore& core);
  ~AdapterCoreScope();
  AdapterCoreScope(const AdapterCoreScope&) = delete;
  AdapterCoreScope& operator=(const AdapterCoreScope&) = delete;

 private:
  const AdapterCore* previous_;
};

// The Execution for calls on `device`: at::parallel_for on the CPU, torch's current stream on CUDA.
Execution execution_on(c10::Device device);

}  // namespace dorabooth
