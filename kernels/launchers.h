// The launchers of the .cu files: what the CUDA table and the emulated table hold.
#pragma once

#include "kernels/adapter_core.h"

namespace dorabooth::gpu {

void square_sum_rows(const SquareSumRowsArgs& args);
void row_norm(const RowNormArgs& args);
void compose_forward(const ComposeForwardArgs& args);
void compose_backward(const ComposeBackwardArgs& args);
void merge_rows(const MergeRowsArgs& args);
void column_square_sums(const ColumnSquareSumsArgs& args);
void adamw(const AdamWArgs& args);
void l2_norm(const L2NormArgs& args);
void scale(const ScaleArgs& args);
void dropout_mask(const DropoutMaskArgs& args);
void nf4_quantize(const Nf4QuantizeArgs& args);
void nf4_dequantize(const Nf4DequantizeArgs& args);

}  // namespace dorabooth::gpu
