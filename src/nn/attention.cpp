// The product is LibTorch's scaled_dot_product_attention. Heads are views: no copy is made on the
// way in, and none on the way out where the kernel writes [batch, tokens, heads, size].
#include "src/nn/attention.h"

#include <ATen/ATen.h>

#include "src/base/error.h"
#include "src/nn/module_list.h"

namespace dorabooth::nn {

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads,
                  bool causal) {
  const auto split = [heads](const at::Tensor& x) {
    return x.unflatten(2, {heads, x.size(2) / heads}).transpose(1, 2);
  };
  const at::Tensor y = at::scaled_dot_product_attention(
      split(q), split(k), split(v), /*attn_mask=*/std::nullopt, /*dropout_p=*/0.0, causal);
  return y.transpose(1, 2).flatten(2);
}

Attention::Attention(const Shape& shape, const at::TensorOptions& options) : heads_(shape.heads) {
  const int64_t channels = shape.channels;
  if (heads_ < 1 || channels % heads_ != 0) {
    fail("attention: ", channels, " channels do not divide into ", heads_, " heads");
  }
  const auto linear = [&](int64_t in_features, bool bias) {
    return std::make_shared<Linear>(in_features, channels, bias, options);
  };
  to_q_ = register_module("to_q", linear(channels, shape.input_bias));
  to_k_ = register_module("to_k", linear(shape.context_channels, shape.input_bias));
  to_v_ = register_module("to_v", linear(shape.context_channels, shape.input_bias));
  const auto to_out = register_module("to_out", std::make_shared<ModuleList>());
  to_out_ = to_out->set(0, linear(channels, /*bias=*/true));
}

at::Tensor Attention::forward(const at::Tensor& x) const {
  const std::vector<at::Tensor> qkv = project(x, {to_q_.get(), to_k_.get(), to_v_.get()});
  return to_out_->forward(attend(qkv[0], qkv[1], qkv[2], heads_, /*causal=*/false));
}

at::Tensor Attention::forward(const at::Tensor& x, const at::Tensor& context) const {
  const at::Tensor q = to_q_->forward(x);
  const std::vector<at::Tensor> kv = project(context, {to_k_.get(), to_v_.get()});
  return to_out_->forward(attend(q, kv[0], kv[1], heads_, /*causal=*/false));
}

}  // namespace dorabooth::nn
