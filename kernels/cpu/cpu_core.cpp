// The CPU backend's table.
#include "kernels/cpu/vector.h"

namespace dorabooth {

const AdapterCore& cpu_core() {
  static constexpr AdapterCore kCore = {
      "cpu",
      cpu::square_sum_rows,
      cpu::row_norm,
      cpu::narrow_product,
      cpu::compose_forward,
      cpu::compose_backward,
      cpu::adapter_backward,
      cpu::adapter_backward_workspace,
      cpu::merge_rows,
      cpu::column_square_sums,
      cpu::adamw,
      cpu::l2_norm,
      cpu::scale,
      cpu::dropout_mask,
      cpu::nf4_quantize,
      cpu::nf4_dequantize,
  };
  return kCore;
}

}  // namespace dorabooth
