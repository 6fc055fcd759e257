// Adapter cores by torch device.
#include "src/device/adapter_core_choice.h"

#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "src/base/error.h"
#include "src/device/cuda_objects.h"
#include "src/device/parallel_for.h"

namespace dorabooth {

namespace {

thread_local const AdapterCore* scoped_core = nullptr;

template <typename Args>
void nothing(const Args&) {}

int64_t no_workspace(int64_t, int64_t, int64_t, int64_t) { return 0; }

// Tensors of the meta device have shapes and no data: there is nothing to compute.
constexpr AdapterCore kMetaCore = {
    "meta",
    nothing<SquareSumRowsArgs>,
    nothing<RowNormArgs>,
    nothing<NarrowProductArgs>,
    nothing<ComposeForwardArgs>,
    nothing<ComposeBackwardArgs>,
    nothing<AdapterBackwardArgs>,
    no_workspace,
    nothing<MergeRowsArgs>,
    nothing<ColumnSquareSumsArgs>,
    nothing<AdamWArgs>,
    nothing<L2NormArgs>,
    nothing<ScaleArgs>,
    nothing<DropoutMaskArgs>,
    nothing<Nf4QuantizeArgs>,
    nothing<Nf4DequantizeArgs>,
};

}  // namespace

c10::Device torch_device(const Device& device) {
  if (device.kind == Device::Kind::kCpu) return c10::Device(c10::kCPU);
  return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(device.index));
}

const AdapterCore& adapter_core(c10::Device device) {
  if (device.is_cpu()) return scoped_core != nullptr ? *scoped_core : cpu_core();
  if (device.is_meta()) return kMetaCore;
  if (!device.is_cuda()) fail("no adapter core for the device ", device.str());
  const CudaObjects& objects = cuda_objects();
  if (objects.core == nullptr) fail("no adapter core for ", device.str(), ": ", objects.missing);
  return *objects.core;
}

AdapterCoreScope::AdapterCoreScope(const AdapterCore& core) : previous_(scoped_core) {
  scoped_core = &core;
}

AdapterCoreScope::~AdapterCoreScope() { scoped_core = previous_; }

Execution execution_on(c10::Device device) {
  Execution on;
  if (device.is_cpu()) {
    on.parallel = &torch_parallel_for();
  } else if (device.is_cuda()) {
    const c10::impl::VirtualGuardImpl guard(c10::DeviceType::CUDA);
    on.stream = guard.getStream(device).native_handle();
  }
  return on;
}

}  // namespace dorabooth
