// CLIP's text transformer (Radford et al. 2021) as transformers' CLIPTextModel and
// CLIPTextModelWithProjection compute it. Submodule names are the published files' keys.
//
// Pooled is the hidden state at the end-of-text token, also where the prompt holds new tokens. That
// is what SDXL was trained with (OpenCLIP takes the highest id, which was that token) and what
// ComfyUI (sd1_clip.py keeps it the highest id), sd-scripts (pool_workaround) and A1111 (a new
// token's id is 0) do. transformers alone, and so diffusers, pools a new token's position where the
// config has the old eos_token_id 2, as SDXL's has: its rule is the highest id, and a new token's
// is higher.
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

  // ids [batch, tokens] int64, padded as the tokenizer pads: padding is not masked. An id from
  // vocab_size on is a row of the added embeddings.
  at::Tensor embed(const at::Tensor& ids) const;
  ClipTextOutput forward(const at::Tensor& ids, ClipTextWanted wanted = {}) const;

  // Embeddings of tokens that the base does not have, [count, hidden_size], of any floating type,
  // for the ids vocab_size, vocab_size + 1, …; differentiable. Undefined: none. The table of the
  // base stays as it is.
  void set_added_embeddings(at::Tensor rows);
  const at::Tensor& added_embeddings() const { return added_; }
  // The base's own embeddings, [vocab_size, hidden_size], not to be written.
  at::Tensor token_table() const { return token_embedding_->first_rows(config_.vocab_size); }

  const ClipTextConfig& config() const { return config_; }
  // Recompute each layer in the backward pass instead of keeping its activations.
  void set_gradient_checkpointing(bool on) { checkpointing_ = on; }

 private:
  at::Tensor token_rows(const at::Tensor& ids) const;
  at::Tensor apply_layer(size_t i, const at::Tensor& x) const;

  ClipTextConfig config_;
  at::Tensor added_;
  bool checkpointing_ = false;
  std::shared_ptr<nn::Embedding> token_embedding_;
  std::shared_ptr<nn::Embedding> position_embedding_;
  std::vector<std::shared_ptr<ClipTextLayer>> layers_;
  std::shared_ptr<nn::LayerNorm> final_layer_norm_;
  std::shared_ptr<nn::Linear> text_projection_;
};

}  // namespace dorabooth
