// The levels of the UNet: diffusers' DownBlock2D and CrossAttnDownBlock2D, UNetMidBlock2DCrossAttn,
// UpBlock2D and CrossAttnUpBlock2D.
#pragma once

#include <vector>

#include "src/nn/resampling.h"
#include "src/nn/resnet.h"
#include "src/nn/transformer_block.h"

namespace dorabooth {

// What every block of a forward pass gets.
struct UNetContext {
  at::Tensor silu_embedding;         // [batch, time_embed_dim]
  at::Tensor encoder_hidden_states;  // [batch, tokens, cross_attention_dim]
  bool checkpointing = false;
  std::shared_ptr<nn::ContextCache> cache;  // of encoder_hidden_states
};

struct UNetBlockShape {
  std::vector<int64_t> resnet_in_channels;  // one entry a resnet
  int64_t out_channels = 0;
  int64_t embedding_features = 0;
  double norm_eps = 1e-5;
  bool attention = false;  // a transformer after each resnet
  nn::TransformerShape transformer;
  bool resample = false;  // a down- or up-sampler at the end
};

// Resnets and the transformers beside them.
class UNetBlock : public torch::nn::Module {
 protected:
  UNetBlock(const UNetBlockShape& shape, size_t transformers, const at::TensorOptions& options);
  at::Tensor apply_resnet(size_t i, const at::Tensor& x, const UNetContext& context,
                          const nn::Probe& probe) const;
  at::Tensor apply_transformer(size_t i, const at::Tensor& x, const UNetContext& context,
                               const nn::Probe& probe) const;
  size_t resnet_count() const { return resnets_.size(); }
  bool has_attention() const { return !attentions_.empty(); }

 private:
  std::vector<std::shared_ptr<nn::Resnet>> resnets_;
  std::vector<std::shared_ptr<nn::Transformer2d>> attentions_;
};

class UNetDownBlock : public UNetBlock {
 public:
  UNetDownBlock(const UNetBlockShape& shape, const at::TensorOptions& options);
  // Appends every resnet's (and the down-sampler's) output to `skips`.
  at::Tensor forward(at::Tensor x, const UNetContext& context, std::vector<at::Tensor>& skips,
                     const nn::Probe& probe) const;

 private:
  std::shared_ptr<nn::Downsample> downsampler_;
};

// A resnet, then a transformer and a resnet.
class UNetMidBlock : public UNetBlock {
 public:
  UNetMidBlock(const UNetBlockShape& shape, const at::TensorOptions& options);
  at::Tensor forward(at::Tensor x, const UNetContext& context, const nn::Probe& probe) const;
};

class UNetUpBlock : public UNetBlock {
 public:
  UNetUpBlock(const UNetBlockShape& shape, const at::TensorOptions& options);
  // Takes one skip a resnet from the end of `skips`; the up-sampler fits the next skip's size.
  at::Tensor forward(at::Tensor x, const UNetContext& context, std::vector<at::Tensor>& skips,
                     const nn::Probe& probe) const;

 private:
  std::shared_ptr<nn::Upsample> upsampler_;
};

}  // namespace dorabooth
