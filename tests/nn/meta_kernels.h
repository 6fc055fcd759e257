// Shapes on the meta device for the operators whose meta kernels LibTorch has in Python only. To be
// included by one file of a test program.
#pragma once

#include <ATen/ATen.h>
#include <ATen/ExpandUtils.h>
#include <torch/library.h>

namespace dorabooth::testing {

inline at::Tensor meta_convolution(const at::Tensor& x, const at::Tensor& weight,
                                   const std::optional<at::Tensor>& bias, at::IntArrayRef stride,
                                   at::IntArrayRef padding, at::IntArrayRef, bool, at::IntArrayRef,
                                   int64_t) {
  TORCH_CHECK(x.is_meta() && weight.is_meta() && (!bias || bias->is_meta()), "not on meta");
  TORCH_CHECK(x.scalar_type() == weight.scalar_type(), "input and weight differ in dtype");
  const auto side = [&](int64_t axis) {
    const auto i = static_cast<size_t>(axis - 2);
    const int64_t step = stride.size() == 1 ? stride[0] : stride[i];
    const int64_t border = padding.size() == 1 ? padding[0] : padding[i];
    return (x.size(axis) + 2 * border - weight.size(axis)) / step + 1;
  };
  return at::empty({x.size(0), weight.size(0), side(2), side(3)},
                   x.options().memory_format(at::MemoryFormat::ChannelsLast));
}

using ThreeTensors = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

inline ThreeTensors meta_convolution_backward(const at::Tensor& dy, const at::Tensor& x,
                                              const at::Tensor& weight, at::OptionalIntArrayRef,
                                              at::IntArrayRef, at::IntArrayRef, at::IntArrayRef,
                                              bool, at::IntArrayRef, int64_t,
                                              std::array<bool, 3> wanted) {
  TORCH_CHECK(dy.is_meta() && x.is_meta() && weight.is_meta(), "not on meta");
  return {wanted[0] ? at::empty_like(x) : at::Tensor(),
          wanted[1] ? at::empty_like(weight) : at::Tensor(),
          wanted[2] ? at::empty({weight.size(0)}, weight.options()) : at::Tensor()};
}

inline ThreeTensors meta_group_norm(const at::Tensor& x, const std::optional<at::Tensor>& weight,
                                    const std::optional<at::Tensor>& bias, int64_t batch, int64_t,
                                    int64_t, int64_t groups, double) {
  TORCH_CHECK(x.is_meta() && weight->is_meta() && bias->is_meta(), "not on meta");
  const at::Tensor statistic = at::empty({batch, groups}, x.options());
  return {at::empty_like(x), statistic, statistic};
}

inline ThreeTensors meta_group_norm_backward(const at::Tensor& dy, const at::Tensor& x,
                                             const at::Tensor&, const at::Tensor&,
                                             const std::optional<at::Tensor>& weight, int64_t,
                                             int64_t, int64_t, int64_t,
                                             std::array<bool, 3> wanted) {
  TORCH_CHECK(dy.is_meta() && x.is_meta(), "not on meta");
  return {wanted[0] ? at::empty_like(x) : at::Tensor(),
          wanted[1] ? at::empty_like(*weight) : at::Tensor(),
          wanted[2] ? at::empty_like(*weight) : at::Tensor()};
}

inline ThreeTensors meta_layer_norm(const at::Tensor& x, at::IntArrayRef,
                                    const std::optional<at::Tensor>& weight,
                                    const std::optional<at::Tensor>& bias, double) {
  TORCH_CHECK(x.is_meta() && weight->is_meta() && bias->is_meta(), "not on meta");
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = 1;
  const at::Tensor statistic = at::empty(shape, x.options().dtype(at::kFloat));
  return {at::empty_like(x), statistic, statistic};
}

inline ThreeTensors meta_layer_norm_backward(const at::Tensor& dy, const at::Tensor& x,
                                             at::IntArrayRef, const at::Tensor&, const at::Tensor&,
                                             const std::optional<at::Tensor>& weight,
                                             const std::optional<at::Tensor>&,
                                             std::array<bool, 3> wanted) {
  TORCH_CHECK(dy.is_meta() && x.is_meta(), "not on meta");
  return {wanted[0] ? at::empty_like(x) : at::Tensor(),
          wanted[1] ? at::empty_like(*weight) : at::Tensor(),
          wanted[2] ? at::empty_like(*weight) : at::Tensor()};
}

inline at::Tensor meta_index_select(const at::Tensor& x, int64_t axis, const at::Tensor& index) {
  TORCH_CHECK(x.is_meta() && index.is_meta(), "not on meta");
  std::vector<int64_t> shape = x.sizes().vec();
  shape[static_cast<size_t>(axis)] = index.numel();
  return at::empty(shape, x.options());
}

inline at::Tensor meta_where(const at::Tensor& condition, const at::Tensor& a,
                             const at::Tensor& b) {
  TORCH_CHECK(condition.is_meta() && a.is_meta() && b.is_meta(), "not on meta");
  return at::empty(at::infer_size(condition.sizes(), at::infer_size(a.sizes(), b.sizes())),
                   (a.dim() ? a : b).options());
}

inline at::Tensor& meta_where_out(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                  at::Tensor& out) {
  return out;
}

}  // namespace dorabooth::testing

TORCH_LIBRARY_IMPL(aten, Meta, library) {
  using namespace dorabooth::testing;
  library.impl("convolution", meta_convolution);
  library.impl("convolution_backward", meta_convolution_backward);
  library.impl("native_group_norm", meta_group_norm);
  library.impl("native_group_norm_backward", meta_group_norm_backward);
  library.impl("native_layer_norm", meta_layer_norm);
  library.impl("native_layer_norm_backward", meta_layer_norm_backward);
  library.impl("index_select", meta_index_select);
  library.impl("where.self", meta_where);
  library.impl("where.self_out", meta_where_out);
}
