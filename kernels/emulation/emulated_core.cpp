// The emulated backend's tables: the launchers of the .cu files under one lane order each.
#include "kernels/emulation/emulated_core.h"

#include "kernels/emulation/simt.h"
#include "kernels/launchers.h"

namespace dorabooth {

namespace {

template <simt::Order kOrder, auto kLauncher, typename Args>
void run(const Args& args) {
  const simt::OrderScope scope(kOrder);
  kLauncher(args);
}

template <simt::Order kOrder>
constexpr AdapterCore kCore = {
    "emulated",
    run<kOrder, gpu::square_sum_rows, SquareSumRowsArgs>,
    run<kOrder, gpu::row_norm, RowNormArgs>,
    run<kOrder, gpu::narrow_product, NarrowProductArgs>,
    run<kOrder, gpu::compose_forward, ComposeForwardArgs>,
    run<kOrder, gpu::compose_backward, ComposeBackwardArgs>,
    run<kOrder, gpu::adapter_backward, AdapterBackwardArgs>,
    gpu::adapter_backward_workspace,
    run<kOrder, gpu::merge_rows, MergeRowsArgs>,
    run<kOrder, gpu::column_square_sums, ColumnSquareSumsArgs>,
    run<kOrder, gpu::adamw, AdamWArgs>,
    run<kOrder, gpu::l2_norm, L2NormArgs>,
    run<kOrder, gpu::scale, ScaleArgs>,
    run<kOrder, gpu::dropout_mask, DropoutMaskArgs>,
    run<kOrder, gpu::nf4_quantize, Nf4QuantizeArgs>,
    run<kOrder, gpu::nf4_dequantize, Nf4DequantizeArgs>,
};

}  // namespace

const AdapterCore& emulated_core(LaneOrder order) {
  switch (order) {
    case LaneOrder::kReverse:
      return kCore<simt::Order::kReverse>;
    case LaneOrder::kShuffled:
      return kCore<simt::Order::kShuffled>;
    default:
      return kCore<simt::Order::kForward>;
  }
}

}  // namespace dorabooth
