// fp32 on a CPU with AVX-512 goes to head_attention.h, small bf16 products on a CPU to plain ones
// (the backward pass of LibTorch's fused kernel takes up to three times as long there, measured at
// 64 to 1024 tokens), half precision that the CPU cannot multiply to fp32, everything else to
// LibTorch's scaled_dot_product_attention. The rule looks at
// device, dtype and shape alone, so that a recomputed segment repeats the bits of its first pass.
#include "src/nn/attention.h"

#include <torch/csrc/autograd/custom_function.h>

#include <ATen/ATen.h>

#include <cmath>

#include "src/base/error.h"
#include "src/nn/head_attention.h"
#include "src/nn/module_list.h"
#include "src/ops/dense_product.h"

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

bool takes_heads(const at::Tensor& q, const at::Tensor& k, int64_t heads) {
  return q.is_cpu() && q.scalar_type() == at::kFloat && q.numel() > 0 && k.numel() > 0 &&
         q.size(2) / heads % kHeadLanes == 0 && cpu_has_head_attention();
}

HeadShape head_shape(const at::Tensor& q, const at::Tensor& k, int64_t heads) {
  return {q.size(0), heads, q.size(1), k.size(1), q.size(2) / heads};
}

AttentionInputs pointers(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  return {q.const_data_ptr<float>(), k.const_data_ptr<float>(), v.const_data_ptr<float>()};
}

// y and the logarithms of the sums, of contiguous q, k and v.
std::pair<at::Tensor, at::Tensor> run_heads(const at::Tensor& q, const at::Tensor& k,
                                            const at::Tensor& v, int64_t heads) {
  at::Tensor y = at::empty_like(q);
  at::Tensor log_sums = at::empty({q.size(0), heads, q.size(1)}, q.options());
  head_attention_forward(head_shape(q, k, heads), pointers(q, k, v), y.mutable_data_ptr<float>(),
                         log_sums.mutable_data_ptr<float>());
  return {y, log_sums};
}

struct HeadAttention : torch::autograd::Function<HeadAttention> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& q,
                            const at::Tensor& k, const at::Tensor& v, int64_t heads) {
    const auto [y, log_sums] = run_heads(q, k, v, heads);
    context->save_for_backward({q, k, v});
    context->saved_data["log_sums"] = log_sums;
    context->saved_data["heads"] = heads;
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grad_outputs) {
    const auto saved = context->get_saved_variables();
    const at::Tensor log_sums = context->saved_data["log_sums"].toTensor();
    const int64_t heads = context->saved_data["heads"].toInt();
    const at::Tensor dy = grad_outputs[0].contiguous();
    at::Tensor dq = at::empty_like(saved[0]);
    at::Tensor dk;
    at::Tensor dv;
    if (context->needs_input_grad(1) || context->needs_input_grad(2)) {
      dk = at::empty_like(saved[1]);
      dv = at::empty_like(saved[2]);
    }
    const auto written = [](at::Tensor& x) {
      return x.defined() ? x.mutable_data_ptr<float>() : nullptr;
    };
    head_attention_backward(head_shape(saved[0], saved[1], heads),
                            pointers(saved[0], saved[1], saved[2]),
                            log_sums.const_data_ptr<float>(), dy.const_data_ptr<float>(),
                            {written(dq), written(dk), written(dv)});
    return {dq, dk, dv, at::Tensor()};
  }
};

at::Tensor attend_by_heads(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           int64_t heads) {
  const at::Tensor rows[] = {q.contiguous(), k.contiguous(), v.contiguous()};
  const bool records =
      at::GradMode::is_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad());
  return records ? HeadAttention::apply(rows[0], rows[1], rows[2], heads)
                 : run_heads(rows[0], rows[1], rows[2], heads).first;
}

}  // namespace

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads,
                  bool causal) {
  if (!causal && takes_heads(q, k, heads)) return attend_by_heads(q, k, v, heads);
  if (q.device().is_cpu() && !q.is_meta() && !cpu_multiplies(q.scalar_type())) {
    const auto wide = [](const at::Tensor& x) { return x.to(at::kFloat); };
    return attend(wide(q), wide(k), wide(v), heads, causal).to(q.scalar_type());
  }
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
