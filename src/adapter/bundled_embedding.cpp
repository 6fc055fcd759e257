#include "src/adapter/bundled_embedding.h"

#include <string_view>

namespace dorabooth {

std::optional<BundledKey> parse_bundled_key(const std::string& key) {
  constexpr std::string_view kPrefix = "bundle_emb.";
  if (!key.starts_with(kPrefix)) return std::nullopt;
  const std::string rest = key.substr(kPrefix.size());
  const size_t dot = rest.rfind('.');
  if (dot == std::string::npos || dot == 0) return BundledKey{rest, ""};
  return BundledKey{rest.substr(0, dot), rest.substr(dot + 1)};
}

}  // namespace dorabooth
