// One entry a prompt and state of the text encoders.
#include "pipelines/parts/prompt_cache.h"

namespace dorabooth {

PromptCache::PromptCache(const SdxlBundle& bundle, const GenerationPlan& plan, const Log& log)
    : bundle_(bundle), plan_(plan) {
  log_ = Log([log, said = said_](LogLevel level, const std::string& text) {
    if (!said->insert(text).second) return;
    level == LogLevel::kWarning ? log.warning(text) : log.info(text);
  });
}

const Conditioning& PromptCache::get(const std::string& prompt, size_t encoders,
                                     const SdxlBundle* bundle) {
  const auto key = std::pair(encoders, prompt);
  const auto found = encoded_.find(key);
  if (found != encoded_.end()) return found->second;
  Conditioning encoded = encode_conditioning(bundle ? *bundle : bundle_, plan_, prompt, log_);
  return encoded_.emplace(key, std::move(encoded)).first->second;
}

}  // namespace dorabooth
