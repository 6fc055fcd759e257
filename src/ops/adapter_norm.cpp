// Norms of W + s·B·A without the matrix, merged rows, dropout masks: thin calls into the adapter
// core.
#include <ATen/ATen.h>

#include <algorithm>

#include "src/device/adapter_core_choice.h"
#include "src/ops/adapter_linear.h"
#include "src/ops/core_arguments.h"

namespace dorabooth {

DoraNorm dora_row_norm(const FrozenWeight& weight, const at::Tensor& a, const at::Tensor& b,
                       const at::Tensor& m, double scale, const AdapterCore& core) {
  at::NoGradGuard no_grad;
  DoraNorm result{at::empty_like(m), at::empty_like(m)};
  if (m.is_meta()) return result;
  const int64_t rank = a.size(0);
  const at::Tensor workspace = at::empty({row_norm_workspace(rank)}, m.options());
  RowNormArgs args;
  args.on = execution_on(m.device());
  args.down = fp32_data(a, "A");
  const float* up = fp32_data(b, "B");
  const float* square_sums = fp32_data(weight.row_norm2(), "row norms");
  const float* magnitude = fp32_data(m, "m");
  args.workspace = workspace.data_ptr<float>();
  args.scale = static_cast<float>(scale);
  args.columns = weight.in_features();
  args.rank = rank;
  const int64_t block_rows = weight.core_row_count();
  for (int64_t first = 0; first < weight.out_features(); first += block_rows) {
    const int64_t last = std::min(first + block_rows, weight.out_features());
    const at::Tensor block = weight.core_rows(first, last);
    args.weight = block.const_data_ptr();
    args.type = element_type(block.scalar_type());
    args.rows = last - first;
    args.up = up + first * rank;
    args.square_sums = square_sums + first;
    args.magnitude = magnitude + first;
    args.norm = result.norm.data_ptr<float>() + first;
    args.gain = result.gain.data_ptr<float>() + first;
    core.row_norm(args);
  }
  return result;
}

at::Tensor merge_rows(const FrozenWeight& weight, const at::Tensor& a, const at::Tensor& b,
                      const at::Tensor& m, const at::Tensor& column_norms, const MergeForm& form,
                      int64_t first, int64_t last, const AdapterCore& core) {
  at::NoGradGuard no_grad;
  const at::Tensor block = weight.core_rows(first, last);
  at::Tensor merged = at::empty(block.sizes(), block.options().dtype(at::kFloat));
  if (merged.is_meta()) return merged;
  const at::Tensor up = b.detach().slice(0, first, last).contiguous();
  MergeRowsArgs args;
  args.on = execution_on(block.device());
  args.weight = block.const_data_ptr();
  args.type = element_type(block.scalar_type());
  args.down = fp32_data(a, "A");
  args.up = fp32_data(up, "B");
  args.axis = form.axis;
  if (form.axis == MagnitudeAxis::kOutput) args.magnitude = fp32_data(m, "m") + first;
  if (form.axis == MagnitudeAxis::kInput) {
    args.magnitude = fp32_data(m, "m");
    args.column_norms = fp32_data(column_norms, "column norms");
  }
  args.scale = static_cast<float>(form.scale);
  args.blend = static_cast<float>(form.blend);
  args.rows = last - first;
  args.columns = weight.in_features();
  args.rank = a.size(0);
  args.merged = merged.data_ptr();
  core.merge_rows(args);
  return merged;
}

at::Tensor merged_column_norms(const FrozenWeight& weight, const at::Tensor& a, const at::Tensor& b,
                               double scale, const AdapterCore& core) {
  at::NoGradGuard no_grad;
  at::Tensor sums = at::zeros({weight.in_features()}, a.options().dtype(at::kDouble));
  if (sums.is_meta()) return sums.to(at::kFloat);
  const int64_t block_rows = weight.core_row_count();
  for (int64_t first = 0; first < weight.out_features(); first += block_rows) {
    const int64_t last = std::min(first + block_rows, weight.out_features());
    const at::Tensor block = weight.core_rows(first, last);
    const at::Tensor up = b.detach().slice(0, first, last).contiguous();
    ColumnSquareSumsArgs args;
    args.on = execution_on(block.device());
    args.weight = block.const_data_ptr();
    args.type = element_type(block.scalar_type());
    args.down = fp32_data(a, "A");
    args.up = fp32_data(up, "B");
    args.scale = static_cast<float>(scale);
    args.rows = last - first;
    args.columns = weight.in_features();
    args.rank = a.size(0);
    args.sums = sums.data_ptr<double>();
    core.column_square_sums(args);
  }
  // Through fp32 as FrozenWeight::column_norm2, so that m / norm is 1 where B is zero.
  return sums.to(at::kFloat).to(at::kDouble).sqrt().to(at::kFloat);
}

at::Tensor dropout_mask(const at::Tensor& like, const DropoutDraw& draw, double p,
                        const AdapterCore& core, int64_t first) {
  // Draws come in fours.
  const int64_t before = first % 4;
  at::Tensor mask = at::empty({before + like.numel()}, like.options());
  if (!mask.is_meta()) {
    DropoutMaskArgs args;
    args.on = execution_on(mask.device());
    args.key = draw.key;
    args.step = draw.step;
    args.index = draw.index;
    args.probability = static_cast<float>(p);
    args.first = first - before;
    args.count = mask.numel();
    args.mask = mask.data_ptr();
    args.type = element_type(mask.scalar_type());
    core.dropout_mask(args);
  }
  return mask.slice(0, before).view(like.sizes());
}

}  // namespace dorabooth
