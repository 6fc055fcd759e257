// All group norms of the autoencoder have the epsilon 1e-6.
#include "src/vae/vae_blocks.h"

#include <ATen/ATen.h>

#include "src/nn/module_list.h"
#include "src/nn/temporary.h"

namespace dorabooth {

namespace {

constexpr double kNormEps = 1e-6;

std::shared_ptr<nn::Resnet> resnet(const VaeConfig& config, int64_t in_channels,
                                   int64_t out_channels, const at::TensorOptions& options) {
  const nn::ResnetShape shape{.in_channels = in_channels,
                              .out_channels = out_channels,
                              .embedding_features = 0,
                              .norm_groups = config.norm_num_groups,
                              .norm_eps = kNormEps};
  return std::make_shared<nn::Resnet>(shape, options);
}

std::shared_ptr<nn::Conv2d> convolution(int64_t in_channels, int64_t out_channels,
                                        const at::TensorOptions& options) {
  return std::make_shared<nn::Conv2d>(in_channels, out_channels, nn::Window{}, options);
}

}  // namespace

VaeAttention::VaeAttention(int64_t channels, int64_t norm_groups, const at::TensorOptions& options)
    : nn::Attention({channels, channels, /*heads=*/1, /*input_bias=*/true}, options) {
  group_norm_ = register_module(
      "group_norm", std::make_shared<nn::GroupNorm>(norm_groups, channels, kNormEps, options));
}

at::Tensor VaeAttention::forward(const at::Tensor& x) const {
  const at::Tensor tokens = group_norm_->forward(x).permute({0, 2, 3, 1}).flatten(1, 2);
  const at::Tensor y = nn::Attention::forward(tokens);
  return nn::add_temporary(x, y.unflatten(1, {x.size(2), x.size(3)}).permute({0, 3, 1, 2}));
}

VaeMidBlock::VaeMidBlock(const VaeConfig& config, const at::TensorOptions& options) {
  const int64_t channels = config.block_out_channels.back();
  if (config.mid_block_add_attention) {
    const auto attentions = register_module("attentions", std::make_shared<nn::ModuleList>());
    attention_ = attentions->set(
        0, std::make_shared<VaeAttention>(channels, config.norm_num_groups, options));
  }
  const auto list = register_module("resnets", std::make_shared<nn::ModuleList>());
  for (size_t i = 0; i < 2; ++i) {
    resnets_.push_back(list->set(i, resnet(config, channels, channels, options)));
  }
}

at::Tensor VaeMidBlock::forward(const at::Tensor& x) const {
  at::Tensor h = resnets_[0]->forward(x, {});
  if (attention_) h = attention_->forward(h);
  return resnets_[1]->forward(h, {});
}

VaeLevel::VaeLevel(const VaeConfig& config, int64_t in_channels, int64_t out_channels,
                   int64_t resnets, Sampler sampler, const at::TensorOptions& options) {
  const auto list = register_module("resnets", std::make_shared<nn::ModuleList>());
  for (size_t i = 0; i < static_cast<size_t>(resnets); ++i) {
    const int64_t from = i == 0 ? in_channels : out_channels;
    resnets_.push_back(list->set(i, resnet(config, from, out_channels, options)));
  }
  if (sampler == Sampler::kDown) {
    const auto samplers = register_module("downsamplers", std::make_shared<nn::ModuleList>());
    downsampler_ = samplers->set(
        0, std::make_shared<nn::Downsample>(out_channels, /*symmetric=*/false, options));
  } else if (sampler == Sampler::kUp) {
    const auto samplers = register_module("upsamplers", std::make_shared<nn::ModuleList>());
    upsampler_ = samplers->set(0, std::make_shared<nn::Upsample>(out_channels, options));
  }
}

at::Tensor VaeLevel::forward(at::Tensor x) const {
  for (const auto& block : resnets_) x = block->forward(x, {});
  if (downsampler_) x = downsampler_->forward(x);
  if (upsampler_) x = upsampler_->forward(x, 2 * x.size(2), 2 * x.size(3));
  return x;
}

VaeEncoder::VaeEncoder(const VaeConfig& config, const at::TensorOptions& options) {
  const std::vector<int64_t>& channels = config.block_out_channels;
  conv_in_ = register_module("conv_in", convolution(config.in_channels, channels[0], options));
  const auto list = register_module("down_blocks", std::make_shared<nn::ModuleList>());
  for (size_t i = 0; i < channels.size(); ++i) {
    const bool last = i + 1 == channels.size();
    down_blocks_.push_back(
        list->set(i, std::make_shared<VaeLevel>(
                         config, channels[i == 0 ? 0 : i - 1], channels[i], config.layers_per_block,
                         last ? VaeLevel::Sampler::kNone : VaeLevel::Sampler::kDown, options)));
  }
  mid_block_ = register_module("mid_block", std::make_shared<VaeMidBlock>(config, options));
  conv_norm_out_ = register_module(
      "conv_norm_out",
      std::make_shared<nn::GroupNorm>(config.norm_num_groups, channels.back(), kNormEps, options));
  conv_out_ = register_module("conv_out",
                              convolution(channels.back(), 2 * config.latent_channels, options));
}

at::Tensor VaeEncoder::forward(const at::Tensor& image) const {
  at::Tensor x = conv_in_->forward(image.contiguous(at::MemoryFormat::ChannelsLast));
  for (const auto& level : down_blocks_) x = level->forward(x);
  x = mid_block_->forward(x);
  return conv_out_->forward(conv_norm_out_->forward_silu(x));
}

VaeDecoder::VaeDecoder(const VaeConfig& config, const at::TensorOptions& options) {
  const std::vector<int64_t> channels(config.block_out_channels.rbegin(),
                                      config.block_out_channels.rend());
  conv_in_ = register_module("conv_in", convolution(config.latent_channels, channels[0], options));
  const auto list = register_module("up_blocks", std::make_shared<nn::ModuleList>());
  for (size_t i = 0; i < channels.size(); ++i) {
    const bool last = i + 1 == channels.size();
    up_blocks_.push_back(list->set(
        i, std::make_shared<VaeLevel>(
               config, channels[i == 0 ? 0 : i - 1], channels[i], config.layers_per_block + 1,
               last ? VaeLevel::Sampler::kNone : VaeLevel::Sampler::kUp, options)));
  }
  mid_block_ = register_module("mid_block", std::make_shared<VaeMidBlock>(config, options));
  conv_norm_out_ = register_module(
      "conv_norm_out",
      std::make_shared<nn::GroupNorm>(config.norm_num_groups, channels.back(), kNormEps, options));
  conv_out_ =
      register_module("conv_out", convolution(channels.back(), config.out_channels, options));
}

at::Tensor VaeDecoder::forward(const at::Tensor& latents) const {
  at::Tensor x = conv_in_->forward(latents.contiguous(at::MemoryFormat::ChannelsLast));
  x = mid_block_->forward(x);
  for (const auto& level : up_blocks_) x = level->forward(x);
  return conv_out_->forward(conv_norm_out_->forward_silu(x));
}

}  // namespace dorabooth
