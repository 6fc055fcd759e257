// Adapted linear layers as one autograd function over the adapter core: LoRA and DoRA with the
// norm a constant for the gradient (Liu et al. 2024, eq. 11), saving x, u = A·x and, for DoRA, its
// own output.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "kernels/adapter_core.h"
#include "src/ops/frozen_weight.h"

namespace dorabooth {

// A frozen layer as an adapter sees it. `product` is W·x where it is known already, else undefined.
struct FrozenLayer {
  std::shared_ptr<const FrozenWeight> weight;
  at::Tensor bias;     // [out], or undefined
  at::Tensor product;  // [..., out] without bias, or undefined
};

// ||W + s·B·A|| by rows and the gain m / norm, both fp32 [out]; never forms the matrix.
struct DoraNorm {
  at::Tensor norm;
  at::Tensor gain;
};
DoraNorm dora_row_norm(const FrozenWeight& weight, const at::Tensor& a, const at::Tensor& b,
                       const at::Tensor& m, double scale, const AdapterCore& core);

// One layer with its adapter: y = g∘(W·x + s·B·(A·x)) + b with g = m / norm, or g = 1 for LoRA (m
// undefined). A [r, in], B [out, r], m [out] in fp32; gradients reach them, the norm being
// constant.
struct AdaptedLayer {
  FrozenLayer frozen;
  at::Tensor a;
  at::Tensor b;
  at::Tensor m;
  DoraNorm norm;
  double scale = 1.0;
  const AdapterCore* core = nullptr;
};

at::Tensor adapted_linear(const at::Tensor& x, const AdaptedLayer& layer);
// Several layers of one input x [..., in] of any floating type, such as query, key and value: the
// narrow products of all of them, their dA and their part of dx each take one pass.
std::vector<at::Tensor> adapted_linears(const at::Tensor& x,
                                        const std::vector<AdaptedLayer>& layers);

// Rows [first, last) of the merged weight, fp32; `m` and `axis` as in MergeRowsArgs, column_norms
// for the input axis.
struct MergeForm {
  MagnitudeAxis axis = MagnitudeAxis::kNone;
  double scale = 1.0;
  double blend = 1.0;
};
at::Tensor merge_rows(const FrozenWeight& weight, const at::Tensor& a, const at::Tensor& b,
                      const at::Tensor& m, const at::Tensor& column_norms, const MergeForm& form,
                      int64_t first, int64_t last, const AdapterCore& core);

// Norms of the columns of W + s·B·A, fp32 [in].
at::Tensor merged_column_norms(const FrozenWeight& weight, const at::Tensor& a, const at::Tensor& b,
                               double scale, const AdapterCore& core);

// A mask like `like` with 0 or 1/(1-p): elements from `first` on of draw (step, index) of the
// stream with this key.
struct DropoutDraw {
  uint64_t key = 0;
  uint64_t step = 0;
  uint32_t index = 0;
};
at::Tensor dropout_mask(const at::Tensor& like, const DropoutDraw& draw, double p,
                        const AdapterCore& core, int64_t first = 0);

}  // namespace dorabooth
