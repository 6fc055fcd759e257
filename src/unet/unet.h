// SDXL's denoiser (diffusers' UNet2DConditionModel with addition_embed_type "text_time"). Submodule
// names are the diffusers keys.
#pragma once

#include <vector>

#include "src/nn/timestep_embedding.h"
#include "src/unet/unet_blocks.h"
#include "src/unet/unet_config.h"

namespace dorabooth {

struct UNetInputs {
  at::Tensor sample;                 // [batch, in_channels, h, w]
  at::Tensor timesteps;              // [batch], any dtype, fractional where the scheduler is
  at::Tensor encoder_hidden_states;  // [batch, tokens, cross_attention_dim]
  at::Tensor text_embeds;            // [batch, pooled_features]
  at::Tensor time_ids;               // [batch, 6]: original size, crop, target size
  // Projects encoder_hidden_states where it was seen before. May be null; an OutputCache is for
  // calls without gradients.
  std::shared_ptr<nn::ContextCache> cache = nullptr;
};

class UNet : public torch::nn::Module {
 public:
  // Parameters are made empty, on the device and in the dtype of `options` (the meta device too).
  UNet(const UNetConfig& config, const at::TensorOptions& options);

  // The prediction [batch, out_channels, h, w] in the model's dtype; inputs are cast to it (the
  // numbers behind the sinusoids to fp32). Heights and widths that the down-sampling does not
  // divide work too: each level of the way up takes the size it had on the way down.
  at::Tensor forward(const UNetInputs& inputs) const;

  const UNetConfig& config() const { return config_; }
  // Recompute resnets and transformer blocks in the backward pass instead of keeping activations.
  void set_gradient_checkpointing(bool on) { checkpointing_ = on; }
  void set_probe(nn::Probe probe) { probe_ = std::move(probe); }

 private:
  at::Tensor embed(const UNetInputs& inputs, at::ScalarType dtype) const;

  UNetConfig config_;
  bool checkpointing_ = false;
  nn::Probe probe_;
  std::shared_ptr<nn::Conv2d> conv_in_;
  std::shared_ptr<nn::TimestepEmbedding> time_embedding_;
  std::shared_ptr<nn::TimestepEmbedding> add_embedding_;
  std::vector<std::shared_ptr<UNetDownBlock>> down_blocks_;
  std::vector<std::shared_ptr<UNetUpBlock>> up_blocks_;
  std::shared_ptr<UNetMidBlock> mid_block_;
  std::shared_ptr<nn::GroupNorm> conv_norm_out_;
  std::shared_ptr<nn::Conv2d> conv_out_;
};

}  // namespace dorabooth
