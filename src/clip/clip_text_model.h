// CLIP's text transformer (Radford et al. 2021) as transformers' CLIPTextModel and
// CLIPTextModelWithProjection compute it. Submodule names are the published files' keys.
#pragma once

#include <vector>

#include "src/clip/clip_text_config.h"
#include "src/nn/embedding.h"
#include "src/nn/linear.h"
#include "src/nn/norm.h"

namespace dorabooth {

// What of the output is wanted; what is not is not computed.
struct ClipTextWanted {
  bool pooled = true;  // last_hidden_state, pooled and text_embeds (SDXL: of the second encoder)
  bool hidden_states = false;  // all of them
};

struct ClipTextOutput {
  // 0: token + position embedding, k: output of layer k, without the final norm; each
  // [batch, tokens, hidden_size]. Empty unless wanted.
  std::vector<at::Tensor> hidden_states;
  at::Tensor penultimate;        // what SDXL conditions on: the input of the last layer
  at::Tensor last_hidden_state;  // after the final norm
  at::Tensor pooled;             // [batch, hidden_size]: last_hidden_state at the end of the text
  at::Tensor text_embeds;        // [batch, projection_dim], with projection only
};

class ClipTextLayer;

class ClipTextModel : public torch::nn::Module {
 public:
  // Parameters are made empty, on the device and in the dtype of `options` (the meta device too).
  ClipTextModel(const ClipTextConfig& config, const at::TensorOptions& options);

  // ids [batch, tokens] int64, padded as the tokenizer pads: padding is not masked.
  at::Tensor embed(const at::Tensor& ids) const;
  ClipTextOutput forward(const at::Tensor& ids, ClipTextWanted wanted = {}) const;

  const ClipTextConfig& config() const { return config_; }
  // Recompute each layer in the backward pass instead of keeping its activations.
  void set_gradient_checkpointing(bool on) { checkpointing_ = on; }

 private:
  at::Tensor apply_layer(size_t i, const at::Tensor& x) const;

  ClipTextConfig config_;
  bool checkpointing_ = false;
  std::shared_ptr<nn::Embedding> token_embedding_;
  std::shared_ptr<nn::Embedding> position_embedding_;
  std::vector<std::shared_ptr<ClipTextLayer>> layers_;
  std::shared_ptr<nn::LayerNorm> final_layer_norm_;
  std::shared_ptr<nn::Linear> text_projection_;
};

}  // namespace dorabooth
