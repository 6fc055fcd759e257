// The launchers of the .cu files: what the CUDA table and the emulated table hold.
#pragma once

#include "kernels/adapter_core.h"

namespace dorabooth::gpu {

void square_sum_rows(const SquareSumRowsArgs& args);
void row_norm(const RowNormArgs& args);
void narrow_product(const NarrowProductArgs& args);
void compose_forward(const ComposeForwardArgs& args);
void compose_backward(const ComposeBackwardArgs& args);
// The first of compose_backward's two launches: dyg, and dm by chunks of tokens.
void compose_backward_sums(const ComposeBackwardArgs& args);
void adapter_backward(const AdapterBackwardArgs& args);
int64_t adapter_backward_workspace(int64_t tokens, int64_t in, int64_t out, int64_t rank);
void merge_rows(const MergeRowsArgs& args);
void column_square_sums(const ColumnSquareSumsArgs& args);
void adamw(const AdamWArgs& args);
void l2_norm(const L2NormArgs& args);
void scale(const ScaleArgs& args);
void dropout_mask(const DropoutMaskArgs& args);
void nf4_quantize(const Nf4QuantizeArgs& args);
void nf4_dequantize(const Nf4DequantizeArgs& args);

}  // namespace dorabooth::gpu
