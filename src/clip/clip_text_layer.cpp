// "gelu" is the exact GELU, "quick_gelu" is x * sigmoid(1.702 x).
#include "src/clip/clip_text_layer.h"

#include <ATen/ATen.h>

#include "src/nn/attention.h"
#include "src/nn/temporary.h"

namespace dorabooth {

ClipTextLayer::ClipTextLayer(const ClipTextConfig& config, const at::TensorOptions& options)
    : heads_(config.num_attention_heads), quick_gelu_(config.hidden_act == "quick_gelu") {
  const int64_t width = config.hidden_size;
  const auto norm = [&] {
    return std::make_shared<nn::LayerNorm>(width, config.layer_norm_eps, options);
  };
  const auto linear = [&](int64_t in_features, int64_t out_features) {
    return std::make_shared<nn::Linear>(in_features, out_features, /*bias=*/true, options);
  };
  const auto self_attn = register_module("self_attn", std::make_shared<torch::nn::Module>());
  k_proj_ = self_attn->register_module("k_proj", linear(width, width));
  v_proj_ = self_attn->register_module("v_proj", linear(width, width));
  q_proj_ = self_attn->register_module("q_proj", linear(width, width));
  out_proj_ = self_attn->register_module("out_proj", linear(width, width));
  layer_norm1_ = register_module("layer_norm1", norm());
  const auto mlp = register_module("mlp", std::make_shared<torch::nn::Module>());
  fc1_ = mlp->register_module("fc1", linear(width, config.intermediate_size));
  fc2_ = mlp->register_module("fc2", linear(config.intermediate_size, width));
  layer_norm2_ = register_module("layer_norm2", norm());
}

at::Tensor ClipTextLayer::attention(const at::Tensor& x) const {
  const std::vector<at::Tensor> qkv = nn::project(x, {q_proj_.get(), k_proj_.get(), v_proj_.get()});
  return out_proj_->forward(nn::attend(qkv[0], qkv[1], qkv[2], heads_, /*causal=*/true));
}

at::Tensor ClipTextLayer::feed_forward(const at::Tensor& x) const {
  const at::Tensor h = fc1_->forward(x);
  return fc2_->forward(quick_gelu_ ? h * at::sigmoid(1.702 * h) : at::gelu(h));
}

at::Tensor ClipTextLayer::forward(const at::Tensor& x) const {
  const at::Tensor attended = nn::add_temporary(x, attention(layer_norm1_->forward(x)));
  return nn::add_temporary(attended, feed_forward(layer_norm2_->forward(attended)));
}

}  // namespace dorabooth
