// One small safetensors file a caption.
#include "pipelines/parts/text_cache.h"

#include <ATen/ATen.h>

#include "pipelines/parts/tensor_store.h"
#include "src/base/error.h"
#include "src/base/hash.h"

namespace dorabooth {

namespace fs = std::filesystem;

fs::path TextCache::file_of(const PromptTokens& tokens, int64_t clip_skip) const {
  Sha256 hash;
  hash.update(concat("caption 1 ", encoders_, " ", clip_skip, " ", tokens.windows));
  for (const at::Tensor& ids : {tokens.ids, tokens.ids_2}) {
    const at::Tensor plain = ids.to(at::kCPU, at::kLong).contiguous();
    hash.update(concat(" ", plain.numel(), " "));
    hash.update(plain.const_data_ptr(), plain.nbytes());
  }
  const std::string name = hash.hex();
  return folder_ / "text" / name.substr(0, 2) / (name + ".safetensors");
}

std::optional<PromptEmbeds> TextCache::read(const fs::path& file) const {
  if (!fs::exists(file)) return std::nullopt;
  try {
    const auto tensors = read_tensors(file);
    const at::Tensor embeds = tensors.at("prompt_embeds");
    const at::Tensor pooled = tensors.at("pooled");
    if (embeds.dim() == 3 && pooled.dim() == 2) return PromptEmbeds{embeds, pooled};
  } catch (const std::exception&) {  // damaged: made again
  }
  return std::nullopt;
}

void TextCache::write(const fs::path& file, const PromptEmbeds& embeds) const {
  fs::create_directories(file.parent_path());
  write_tensors(file, {{"prompt_embeds", embeds.prompt_embeds}, {"pooled", embeds.pooled}}, {});
}

}  // namespace dorabooth
