// Encoder and decoder of the KL autoencoder (diffusers' Encoder and Decoder with
// DownEncoderBlock2D, UpDecoderBlock2D and UNetMidBlock2D).
#pragma once

#include <vector>

#include "src/nn/attention.h"
#include "src/nn/norm.h"
#include "src/nn/resampling.h"
#include "src/nn/resnet.h"
#include "src/vae/vae_config.h"

namespace dorabooth {

// One head over all channels, tokens are pixels, with a group norm and a residual.
class VaeAttention : public nn::Attention {
 public:
  VaeAttention(int64_t channels, int64_t norm_groups, const at::TensorOptions& options);
  // x [batch, channels, h, w] -> the same shape.
  at::Tensor forward(const at::Tensor& x) const;

 private:
  std::shared_ptr<nn::GroupNorm> group_norm_;
};

class VaeMidBlock : public torch::nn::Module {
 public:
  VaeMidBlock(const VaeConfig& config, const at::TensorOptions& options);
  at::Tensor forward(const at::Tensor& x) const;

 private:
  std::shared_ptr<VaeAttention> attention_;
  std::vector<std::shared_ptr<nn::Resnet>> resnets_;
};

// Resnets of one level with the sampler at their end, where there is one.
class VaeLevel : public torch::nn::Module {
 public:
  enum class Sampler { kNone, kDown, kUp };
  VaeLevel(const VaeConfig& config, int64_t in_channels, int64_t out_channels, int64_t resnets,
           Sampler sampler, const at::TensorOptions& options);
  at::Tensor forward(at::Tensor x) const;

 private:
  std::vector<std::shared_ptr<nn::Resnet>> resnets_;
  std::shared_ptr<nn::Downsample> downsampler_;
  std::shared_ptr<nn::Upsample> upsampler_;
};

class VaeEncoder : public torch::nn::Module {
 public:
  VaeEncoder(const VaeConfig& config, const at::TensorOptions& options);
  // image [batch, in_channels, h, w] -> [batch, 2 * latent_channels, h/8, w/8] (four levels).
  at::Tensor forward(const at::Tensor& image) const;

 private:
  std::shared_ptr<nn::Conv2d> conv_in_;
  std::vector<std::shared_ptr<VaeLevel>> down_blocks_;
  std::shared_ptr<VaeMidBlock> mid_block_;
  std::shared_ptr<nn::GroupNorm> conv_norm_out_;
  std::shared_ptr<nn::Conv2d> conv_out_;
};

class VaeDecoder : public torch::nn::Module {
 public:
  VaeDecoder(const VaeConfig& config, const at::TensorOptions& options);
  // latents [batch, latent_channels, h, w] -> [batch, out_channels, 8h, 8w] (four levels).
  at::Tensor forward(const at::Tensor& latents) const;
  at::ScalarType dtype() const { return conv_in_->weight().scalar_type(); }

 private:
  std::shared_ptr<nn::Conv2d> conv_in_;
  std::vector<std::shared_ptr<VaeLevel>> up_blocks_;
  std::shared_ptr<VaeMidBlock> mid_block_;
  std::shared_ptr<nn::GroupNorm> conv_norm_out_;
  std::shared_ptr<nn::Conv2d> conv_out_;
};

}  // namespace dorabooth
