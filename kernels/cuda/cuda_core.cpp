// The CUDA backend's table and the one symbol that the shared object exports.
#include "kernels/launchers.h"

namespace dorabooth::gpu {

namespace {

constexpr AdapterCore kCore = {
    "cuda",
    square_sum_rows,
    row_norm,
    narrow_product,
    compose_forward,
    compose_backward,
    adapter_backward,
    adapter_backward_workspace,
    merge_rows,
    column_square_sums,
    adamw,
    l2_norm,
    scale,
    dropout_mask,
    nf4_quantize,
    nf4_dequantize,
};

}  // namespace

}  // namespace dorabooth::gpu

extern "C" __attribute__((visibility("default"))) const dorabooth::AdapterCore* dorabooth_cuda_core(
    int32_t version) {
  return version == dorabooth::kAdapterCoreVersion ? &dorabooth::gpu::kCore : nullptr;
}
