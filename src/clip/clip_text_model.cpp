// Pooling: with eos_token_id 2 (what old configs say) the position of the base's highest id,
// otherwise the first position of the end-of-text id.
#include "src/clip/clip_text_model.h"

#include <ATen/ATen.h>

#include "src/base/error.h"
#include "src/clip/clip_text_layer.h"
#include "src/nn/checkpointing.h"
#include "src/nn/module_list.h"
#include "src/nn/temporary.h"

namespace dorabooth {

namespace {

constexpr int64_t kLegacyEosTokenId = 2;

// ids [batch, tokens] -> [batch], the position that is pooled.
at::Tensor pooled_position(const at::Tensor& ids, const ClipTextConfig& config) {
  if (config.eos_token_id == kLegacyEosTokenId) {
    return ids.masked_fill(ids.ge(config.vocab_size), -1).argmax(1);
  }
  return ids.eq(config.eos_token_id).to(at::kInt).argmax(1);
}

}  // namespace

ClipTextModel::ClipTextModel(const ClipTextConfig& config, const at::TensorOptions& options)
    : config_(config) {
  const int64_t width = config.hidden_size;
  const auto text_model = register_module("text_model", std::make_shared<torch::nn::Module>());
  const auto embeddings =
      text_model->register_module("embeddings", std::make_shared<torch::nn::Module>());
  token_embedding_ = embeddings->register_module(
      "token_embedding", std::make_shared<nn::Embedding>(config.vocab_size, width, options));
  position_embedding_ = embeddings->register_module(
      "position_embedding",
      std::make_shared<nn::Embedding>(config.max_position_embeddings, width, options));
  const auto encoder =
      text_model->register_module("encoder", std::make_shared<torch::nn::Module>());
  const auto layers = encoder->register_module("layers", std::make_shared<nn::ModuleList>());
  for (size_t i = 0; i < static_cast<size_t>(config.num_hidden_layers); ++i) {
    layers_.push_back(layers->set(i, std::make_shared<ClipTextLayer>(config, options)));
  }
  final_layer_norm_ = text_model->register_module(
      "final_layer_norm", std::make_shared<nn::LayerNorm>(width, config.layer_norm_eps, options));
  if (config.with_projection()) {
    text_projection_ = register_module(
        "text_projection",
        std::make_shared<nn::Linear>(width, config.projection_dim, /*bias=*/false, options));
  }
}

at::Tensor ClipTextModel::embed(const at::Tensor& ids) const {
  if (ids.dim() != 2) {
    fail("text encoder: want ids [batch,tokens], got ", shape_text(ids.sizes().vec()));
  }
  if (ids.size(1) > config_.max_position_embeddings) {
    fail("text encoder: ", ids.size(1), " tokens, the limit is ", config_.max_position_embeddings);
  }
  return nn::add_temporary(position_embedding_->first_rows(ids.size(1)), token_rows(ids));
}

void ClipTextModel::set_added_embeddings(at::Tensor rows) {
  if (rows.defined() && (rows.dim() != 2 || rows.size(1) != config_.hidden_size)) {
    fail("text encoder: want added embeddings [count,", config_.hidden_size, "], got ",
         shape_text(rows.sizes().vec()));
  }
  added_ = std::move(rows);
}

// ids [batch, tokens] -> [batch, tokens, hidden_size]
at::Tensor ClipTextModel::token_rows(const at::Tensor& ids) const {
  if (!added_.defined()) return token_embedding_->forward(ids);
  const int64_t first = config_.vocab_size;
  const at::Tensor is_added = ids.ge(first);
  const at::Tensor own = token_embedding_->forward(ids.masked_fill(is_added, 0));
  const at::Tensor index = (ids - first).clamp_min(0);
  if (index.is_cpu() && index.numel() > 0) {
    const int64_t last = index.max().item<int64_t>();
    if (last >= added_.size(0)) {
      fail("text encoder: id ", first + last, ", the base has ", first, " tokens and ",
           added_.size(0), " were added");
    }
  }
  const at::Tensor added = at::embedding(added_.to(own.device(), own.scalar_type()), index);
  return at::where(is_added.unsqueeze(-1), added, own);
}

at::Tensor ClipTextModel::apply_layer(size_t i, const at::Tensor& x) const {
  ClipTextLayer& layer = *layers_[i];
  if (!checkpointing_) return layer.forward(x);
  return nn::checkpoint(
      [&layer](const std::vector<at::Tensor>& inputs) { return layer.forward(inputs[0]); }, {x},
      nn::trainable_tensors(layer));
}

ClipTextOutput ClipTextModel::forward(const at::Tensor& ids, ClipTextWanted wanted) const {
  ClipTextOutput output;
  at::Tensor x = embed(ids);
  const bool last_layer_wanted = wanted.pooled || wanted.hidden_states;
  for (size_t i = 0; i < layers_.size(); ++i) {
    if (wanted.hidden_states) output.hidden_states.push_back(x);
    if (i + 1 == layers_.size()) {
      output.penultimate = x;
      if (!last_layer_wanted) return output;
    }
    x = apply_layer(i, x);
  }
  if (wanted.hidden_states) output.hidden_states.push_back(x);
  if (!wanted.pooled) return output;
  output.last_hidden_state = final_layer_norm_->forward(x);
  const at::Tensor position = pooled_position(ids, config_);
  const at::Tensor index =
      position.view({-1, 1, 1}).expand({-1, 1, output.last_hidden_state.size(2)});
  output.pooled = output.last_hidden_state.gather(1, index).squeeze(1);
  if (text_projection_) output.text_embeds = text_projection_->forward(output.pooled);
  return output;
}

}  // namespace dorabooth
