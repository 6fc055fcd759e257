// proj_in and proj_out are linear layers (use_linear_projection). A channels_last picture is read
// as tokens [batch, h*w, channels] without a copy.
#include "src/nn/transformer_block.h"

#include <ATen/ATen.h>

#include "src/nn/checkpointing.h"
#include "src/nn/module_list.h"
#include "src/nn/temporary.h"

namespace dorabooth::nn {

namespace {

constexpr double kLayerNormEps = 1e-5;
// The reference fixes this one, whatever norm_eps says.
constexpr double kGroupNormEps = 1e-6;

}  // namespace

TransformerBlock::TransformerBlock(const TransformerShape& shape,
                                   const at::TensorOptions& options) {
  const int64_t channels = shape.channels;
  const auto norm = [&] { return std::make_shared<LayerNorm>(channels, kLayerNormEps, options); };
  const auto attention = [&](int64_t context_channels) {
    return std::make_shared<Attention>(
        Attention::Shape{channels, context_channels, shape.heads, /*input_bias=*/false}, options);
  };
  norm1_ = register_module("norm1", norm());
  attn1_ = register_module("attn1", attention(channels));
  norm2_ = register_module("norm2", norm());
  attn2_ = register_module("attn2", attention(shape.context_channels));
  norm3_ = register_module("norm3", norm());
  ff_ = register_module("ff", std::make_shared<FeedForward>(channels, options));
}

at::Tensor TransformerBlock::forward(const at::Tensor& x, const at::Tensor& context,
                                     const Probe& probe, ContextCache* cache) const {
  const at::Tensor self = attn1_->forward(norm1_->forward(x));
  probe.show("attn1", self);
  const at::Tensor after_self = add_temporary(x, self);
  const at::Tensor cross = attn2_->forward(norm2_->forward(after_self), context, cache);
  probe.show("attn2", cross);
  const at::Tensor after_cross = add_temporary(after_self, cross);
  const at::Tensor inner = ff_->forward(norm3_->forward(after_cross));
  probe.show("ff", inner);
  return add_temporary(after_cross, inner);
}

Transformer2d::Transformer2d(const TransformerShape& shape, const at::TensorOptions& options) {
  const int64_t channels = shape.channels;
  const auto projection = [&] {
    return std::make_shared<Linear>(channels, channels, /*bias=*/true, options);
  };
  norm_ = register_module(
      "norm", std::make_shared<GroupNorm>(shape.norm_groups, channels, kGroupNormEps, options));
  proj_in_ = register_module("proj_in", projection());
  const auto blocks = register_module("transformer_blocks", std::make_shared<ModuleList>());
  for (size_t i = 0; i < static_cast<size_t>(shape.blocks); ++i) {
    blocks_.push_back(blocks->set(i, std::make_shared<TransformerBlock>(shape, options)));
  }
  proj_out_ = register_module("proj_out", projection());
}

at::Tensor Transformer2d::forward(const at::Tensor& x, const at::Tensor& context,
                                  bool checkpointing, const Probe& probe,
                                  const std::shared_ptr<ContextCache>& cache) {
  const int64_t height = x.size(2);
  const int64_t width = x.size(3);
  at::Tensor tokens = norm_->forward(x).permute({0, 2, 3, 1}).flatten(1, 2);
  tokens = proj_in_->forward(tokens);
  for (size_t i = 0; i < blocks_.size(); ++i) {
    TransformerBlock& block = *blocks_[i];
    const Probe inside = probe.inside("transformer_blocks", i);
    if (!checkpointing) {
      tokens = block.forward(tokens, context, inside, cache.get());
      continue;
    }
    tokens = checkpoint(
        [&block, inside, cache](const std::vector<at::Tensor>& inputs) {
          return block.forward(inputs[0], inputs[1], inside, cache.get());
        },
        {tokens, context}, trainable_tensors(block));
  }
  tokens = proj_out_->forward(tokens);
  return add_temporary(x, tokens.unflatten(1, {height, width}).permute({0, 3, 1, 2}));
}

}  // namespace dorabooth::nn
