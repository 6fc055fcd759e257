// Checkpointing keeps the inputs of each resnet and of each transformer block, as diffusers does.
#include "src/unet/unet_blocks.h"

#include <ATen/ATen.h>

#include "src/nn/module_list.h"

namespace dorabooth {

UNetBlock::UNetBlock(const UNetBlockShape& shape, size_t transformers,
                     const at::TensorOptions& options) {
  if (transformers > 0) {
    const auto attentions = register_module("attentions", std::make_shared<nn::ModuleList>());
    for (size_t i = 0; i < transformers; ++i) {
      attentions_.push_back(
          attentions->set(i, std::make_shared<nn::Transformer2d>(shape.transformer, options)));
    }
  }
  const auto resnets = register_module("resnets", std::make_shared<nn::ModuleList>());
  for (size_t i = 0; i < shape.resnet_in_channels.size(); ++i) {
    const nn::ResnetShape resnet{.in_channels = shape.resnet_in_channels[i],
                                 .out_channels = shape.out_channels,
                                 .embedding_features = shape.embedding_features,
                                 .norm_groups = shape.transformer.norm_groups,
                                 .norm_eps = shape.norm_eps};
    resnets_.push_back(resnets->set(i, std::make_shared<nn::Resnet>(resnet, options)));
  }
}

at::Tensor UNetBlock::apply_resnet(size_t i, const at::Tensor& x, const UNetContext& context,
                                   const nn::Probe& probe) const {
  nn::Resnet& resnet = *resnets_[i];
  at::Tensor y = context.checkpointing ? resnet.forward_checkpointed(x, context.silu_embedding)
                                       : resnet.forward(x, context.silu_embedding);
  probe.show("resnets." + std::to_string(i), y);
  return y;
}

at::Tensor UNetBlock::apply_transformer(size_t i, const at::Tensor& x, const UNetContext& context,
                                        const nn::Probe& probe) const {
  at::Tensor y = attentions_[i]->forward(x, context.encoder_hidden_states, context.checkpointing,
                                         probe.inside("attentions", i), context.cache);
  probe.show("attentions." + std::to_string(i), y);
  return y;
}

UNetDownBlock::UNetDownBlock(const UNetBlockShape& shape, const at::TensorOptions& options)
    : UNetBlock(shape, shape.attention ? shape.resnet_in_channels.size() : 0, options) {
  if (!shape.resample) return;
  const auto list = register_module("downsamplers", std::make_shared<nn::ModuleList>());
  downsampler_ = list->set(
      0, std::make_shared<nn::Downsample>(shape.out_channels, /*symmetric=*/true, options));
}

at::Tensor UNetDownBlock::forward(at::Tensor x, const UNetContext& context,
                                  std::vector<at::Tensor>& skips, const nn::Probe& probe) const {
  for (size_t i = 0; i < resnet_count(); ++i) {
    x = apply_resnet(i, x, context, probe);
    if (has_attention()) x = apply_transformer(i, x, context, probe);
    skips.push_back(x);
  }
  if (downsampler_) {
    x = downsampler_->forward(x);
    skips.push_back(x);
  }
  return x;
}

UNetMidBlock::UNetMidBlock(const UNetBlockShape& shape, const at::TensorOptions& options)
    : UNetBlock(shape, shape.resnet_in_channels.size() - 1, options) {}

at::Tensor UNetMidBlock::forward(at::Tensor x, const UNetContext& context,
                                 const nn::Probe& probe) const {
  x = apply_resnet(0, x, context, probe);
  for (size_t i = 1; i < resnet_count(); ++i) {
    x = apply_transformer(i - 1, x, context, probe);
    x = apply_resnet(i, x, context, probe);
  }
  return x;
}

UNetUpBlock::UNetUpBlock(const UNetBlockShape& shape, const at::TensorOptions& options)
    : UNetBlock(shape, shape.attention ? shape.resnet_in_channels.size() : 0, options) {
  if (!shape.resample) return;
  const auto list = register_module("upsamplers", std::make_shared<nn::ModuleList>());
  upsampler_ = list->set(0, std::make_shared<nn::Upsample>(shape.out_channels, options));
}

at::Tensor UNetUpBlock::forward(at::Tensor x, const UNetContext& context,
                                std::vector<at::Tensor>& skips, const nn::Probe& probe) const {
  for (size_t i = 0; i < resnet_count(); ++i) {
    x = apply_resnet(i, at::cat({x, skips.back()}, 1), context, probe);
    skips.pop_back();
    if (has_attention()) x = apply_transformer(i, x, context, probe);
  }
  return upsampler_ ? upsampler_->forward(x, skips.back().size(2), skips.back().size(3)) : x;
}

}  // namespace dorabooth
