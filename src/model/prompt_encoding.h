// Prompts to what SDXL's UNet is conditioned on, as encode_prompt of diffusers'
// StableDiffusionXLPipeline: the encoders' penultimate hidden states side by side, and the second
// one's projected pooled vector. Differentiable through adapters on the text encoders.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "src/base/log.h"
#include "src/model/bundle.h"

namespace dorabooth {

// A prompt of more tokens than one window takes: encoded window by window, the hidden states in a
// row and the pooled vector of the first window, with a word in the log; or cut after the first
// window, with a warning that says what is lost.
enum class LongPrompts { kChunk, kCut };
LongPrompts parse_long_prompts(const std::string& name);  // "chunk" or "cut"

// Token ids of a batch of prompts, one tensor a text encoder: [batch, windows * window], int64.
struct PromptTokens {
  at::Tensor ids;
  at::Tensor ids_2;
  int64_t windows = 1;
};

struct PromptEmbeds {
  at::Tensor prompt_embeds;  // [batch, windows * window, cross_attention_dim]
  at::Tensor pooled;         // [batch, projection_dim]
};

struct GuidedEmbeds {
  PromptEmbeds positive;
  PromptEmbeds negative;
};

// All prompts get as many windows as the longest needs, at least `min_windows`.
PromptTokens tokenize_prompts(const SdxlBundle& bundle, const std::vector<std::string>& prompts,
                              LongPrompts long_prompts, const Log& log, int64_t min_windows = 1);

// On the bundle's device and in its dtype. `clip_skip`, here and below: how many layers before the
// penultimate one the hidden states are taken from (diffusers' hidden_states[-(clip_skip + 2)]);
// the pooled vector does not depend on it. Throws where an encoder has fewer layers.
PromptEmbeds encode_tokens(const SdxlBundle& bundle, const PromptTokens& tokens,
                           int64_t clip_skip = 0);

PromptEmbeds encode_prompts(const SdxlBundle& bundle, const std::vector<std::string>& prompts,
                            LongPrompts long_prompts, const Log& log, int64_t clip_skip = 0);

// Both halves of classifier-free guidance, of one shape. An absent negative prompt is all zeros if
// the base says so (force_zeros_for_empty_prompt), else the encoded empty prompt; an empty one is
// always encoded. `clip_skip` is the prompts': a negative one has none, as in diffusers.
GuidedEmbeds encode_guided(const SdxlBundle& bundle, const std::vector<std::string>& prompts,
                           const std::optional<std::string>& negative_prompt,
                           LongPrompts long_prompts, const Log& log, int64_t clip_skip = 0);

}  // namespace dorabooth
