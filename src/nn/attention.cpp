// The product is LibTorch's scaled_dot_product_attention, but for small bf16 ones on a CPU: its
// fused backward pass there takes up to three times as long as plain products (measured at 64 to
// 1024 tokens), while fp32 and large shapes are the fused kernel's. The rule looks at device,
// dtype and shape alone, so that a recomputed segment repeats the bits of its first pass.
#include "src/nn/attention.h"

#include <ATen/ATen.h>

#include <cmath>

#include "src/base/error.h"
#include "src/nn/module_list.h"

namespace dorabooth::nn {

namespace {

// Elements of one head's score matrix up to which plain products are used.
constexpr int64_t kLargestPlainScores = int64_t{1} << 18;

bool takes_plain_products(const at::Tensor& q, const at::Tensor& k) {
  return q.is_cpu() && q.scalar_type() == at::kBFloat16 &&
         q.size(1) * k.size(1) <= kLargestPlainScores;
}

// softmax(q·kᵀ / sqrt(size))·v of [batch, heads, tokens, size]; the shorter of q and k is scaled.
at::Tensor plain_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(q.size(3)));
  const at::Tensor keys = k.transpose(2, 3);
  const at::Tensor scores =
      k.size(2) < q.size(2) ? at::matmul(q, keys * scale) : at::matmul(q * scale, keys);
  return at::matmul(scores.softmax(-1), v);
}

}  // namespace

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads,
                  bool causal) {
  const auto split = [heads](const at::Tensor& x) {
    return x.unflatten(2, {heads, x.size(2) / heads}).transpose(1, 2);
  };
  const at::Tensor y =
      !causal && takes_plain_products(q, k)
          ? plain_attention(split(q), split(k), split(v))
          : at::scaled_dot_product_attention(split(q), split(k), split(v),
                                             /*attn_mask=*/std::nullopt, /*dropout_p=*/0.0, causal);
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

at::Tensor Attention::forward(const at::Tensor& x, const at::Tensor& context,
                              ContextCache* cache) const {
  const at::Tensor q = to_q_->forward(x);
  const std::vector<Linear*> layers = {to_k_.get(), to_v_.get()};
  const std::vector<at::Tensor> kv =
      cache ? cache->project(context, layers) : project(context, layers);
  return to_out_->forward(attend(q, kv[0], kv[1], heads_, /*causal=*/false));
}

}  // namespace dorabooth::nn
