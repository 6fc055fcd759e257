// Windows are encoded as further rows of the batch, then laid in a row.
#include "src/model/prompt_encoding.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "src/base/error.h"

namespace dorabooth {

namespace {

using Windows = std::vector<std::vector<int64_t>>;  // of one prompt

// The first words of a text in messages.
std::string beginning(const std::string& text) {
  constexpr size_t kShown = 60;
  if (text.size() <= kShown) return text;
  size_t end = kShown;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

Windows first_window(const Tokenizer& tokenizer, const std::string& prompt, bool& warned,
                     const Log& log) {
  TokenizedPrompt tokenized = tokenizer.tokenize(prompt);
  if (tokenized.truncated && !warned) {
    warned = true;
    log.warning(concat("prompt '", beginning(prompt), "' is over the limit of ",
                       tokenizer.max_length(), " tokens; cut off: '",
                       tokenized.dropped_text_or_empty, "'"));
  }
  return {std::move(tokenized.ids)};
}

Windows windows_of(const Tokenizer& tokenizer, const std::string& prompt, LongPrompts long_prompts,
                   bool& told, const Log& log) {
  if (long_prompts == LongPrompts::kCut) return first_window(tokenizer, prompt, told, log);
  Windows windows = tokenizer.tokenize_chunks(prompt);
  if (windows.size() > 1 && !told) {
    told = true;
    log.info(concat("prompt '", beginning(prompt), "' is over the limit of ",
                    tokenizer.max_length(), " tokens: encoded in ", windows.size(), " windows"));
  }
  return windows;
}

at::Tensor ids_tensor(const Tokenizer& tokenizer, std::vector<Windows> prompts, int64_t windows) {
  const std::vector<int64_t> empty = tokenizer.tokenize("").ids;
  const int64_t length = tokenizer.max_length();
  at::Tensor ids = at::empty({static_cast<int64_t>(prompts.size()), windows * length}, at::kLong);
  int64_t* out = ids.data_ptr<int64_t>();
  for (Windows& prompt : prompts) {
    prompt.resize(static_cast<size_t>(windows), empty);
    for (const std::vector<int64_t>& window : prompt) out = std::ranges::copy(window, out).out;
  }
  return ids;
}

void require_text_encoders(const SdxlBundle& bundle) {
  if (!bundle.text_encoder || !bundle.text_encoder_2) {
    fail(bundle.path.string(), ": prompts cannot be encoded without both text encoders");
  }
}

// [batch, windows * window] -> [batch * windows, window]
at::Tensor by_window(const at::Tensor& ids, int64_t windows, at::Device device) {
  return ids.to(device).reshape({ids.size(0) * windows, ids.size(1) / windows});
}

// The hidden states that condition the UNet.
at::Tensor state_of(const ClipTextOutput& output, int64_t clip_skip, const char* encoder) {
  if (clip_skip == 0) return output.penultimate;
  const auto states = static_cast<int64_t>(output.hidden_states.size());  // layers + 1
  if (clip_skip > states - 2) {
    fail("clip_skip: ", encoder, " has ", states - 1, " layers, so at most ", states - 2,
         " can be left out, got ", clip_skip);
  }
  return output.hidden_states[static_cast<size_t>(states - 2 - clip_skip)];
}

}  // namespace

LongPrompts parse_long_prompts(const std::string& name) {
  if (name == "chunk") return LongPrompts::kChunk;
  if (name == "cut") return LongPrompts::kCut;
  throw UsageError(concat("--long_prompts: want chunk or cut, got '", name, "'"));
}

PromptTokens tokenize_prompts(const SdxlBundle& bundle, const std::vector<std::string>& prompts,
                              LongPrompts long_prompts, const Log& log, int64_t min_windows) {
  require_text_encoders(bundle);
  if (bundle.tokenizer->max_length() != bundle.tokenizer_2->max_length()) {
    fail(bundle.path.string(), ": the tokenizers' windows differ (", bundle.tokenizer->max_length(),
         " and ", bundle.tokenizer_2->max_length(), " tokens)");
  }
  std::vector<Windows> first;
  std::vector<Windows> second;
  size_t windows = static_cast<size_t>(min_windows);
  for (const std::string& prompt : prompts) {
    bool told = false;
    first.push_back(windows_of(*bundle.tokenizer, prompt, long_prompts, told, log));
    second.push_back(windows_of(*bundle.tokenizer_2, prompt, long_prompts, told, log));
    windows = std::max({windows, first.back().size(), second.back().size()});
  }
  PromptTokens tokens;
  tokens.windows = static_cast<int64_t>(windows);
  tokens.ids = ids_tensor(*bundle.tokenizer, std::move(first), tokens.windows);
  tokens.ids_2 = ids_tensor(*bundle.tokenizer_2, std::move(second), tokens.windows);
  return tokens;
}

PromptEmbeds encode_tokens(const SdxlBundle& bundle, const PromptTokens& tokens,
                           int64_t clip_skip) {
  require_text_encoders(bundle);
  const int64_t batch = tokens.ids.size(0);
  const ClipTextOutput first =
      bundle.text_encoder->forward(by_window(tokens.ids, tokens.windows, bundle.device),
                                   {.pooled = false, .hidden_states = clip_skip > 0});
  const ClipTextOutput second =
      bundle.text_encoder_2->forward(by_window(tokens.ids_2, tokens.windows, bundle.device),
                                     {.pooled = true, .hidden_states = clip_skip > 0});
  PromptEmbeds embeds;
  embeds.prompt_embeds = at::cat({state_of(first, clip_skip, "text_encoder"),
                                  state_of(second, clip_skip, "text_encoder_2")},
                                 /*dim=*/-1)
                             .reshape({batch, tokens.ids.size(1), -1});
  embeds.pooled = second.text_embeds.reshape({batch, tokens.windows, -1}).select(1, 0);
  return embeds;
}

PromptEmbeds encode_prompts(const SdxlBundle& bundle, const std::vector<std::string>& prompts,
                            LongPrompts long_prompts, const Log& log, int64_t clip_skip) {
  return encode_tokens(bundle, tokenize_prompts(bundle, prompts, long_prompts, log), clip_skip);
}

GuidedEmbeds encode_guided(const SdxlBundle& bundle, const std::vector<std::string>& prompts,
                           const std::optional<std::string>& negative_prompt,
                           LongPrompts long_prompts, const Log& log, int64_t clip_skip) {
  GuidedEmbeds guided;
  PromptTokens positive = tokenize_prompts(bundle, prompts, long_prompts, log);
  if (!negative_prompt && bundle.force_zeros_for_empty_prompt) {
    guided.positive = encode_tokens(bundle, positive, clip_skip);
    guided.negative.prompt_embeds = at::zeros_like(guided.positive.prompt_embeds);
    guided.negative.pooled = at::zeros_like(guided.positive.pooled);
    return guided;
  }
  const std::string text = negative_prompt.value_or("");
  PromptTokens negative = tokenize_prompts(bundle, {text}, long_prompts, log, positive.windows);
  if (negative.windows > positive.windows) {
    positive = tokenize_prompts(bundle, prompts, long_prompts, Log(), negative.windows);
  }
  guided.positive = encode_tokens(bundle, positive, clip_skip);
  guided.negative = encode_tokens(bundle, negative);
  const int64_t batch = static_cast<int64_t>(prompts.size());
  guided.negative.prompt_embeds = guided.negative.prompt_embeds.expand({batch, -1, -1});
  guided.negative.pooled = guided.negative.pooled.expand({batch, -1});
  return guided;
}

}  // namespace dorabooth
