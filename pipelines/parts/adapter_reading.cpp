#include "pipelines/parts/adapter_reading.h"

#include "src/base/error.h"

namespace dorabooth {

void warn_of_ignored_keys(const AdapterContents& contents, const Log& log) {
  if (contents.ignored_keys.empty()) return;
  constexpr size_t kMostNamed = 20;
  std::string names;
  for (size_t i = 0; i < contents.ignored_keys.size() && i < kMostNamed; ++i) {
    names += (i ? ", " : "") + contents.ignored_keys[i];
  }
  const size_t count = contents.ignored_keys.size();
  log.warning(concat(contents.file.path.string(), ": ", count,
                     count == 1 ? " key names" : " keys name", " nothing in this base: ", names,
                     count > kMostNamed ? ", …; inspect lists all" : ""));
}

std::vector<EmbeddingArgument> bundled_embeddings(const std::vector<AdapterArgument>& adapters) {
  std::vector<EmbeddingArgument> result;
  for (const AdapterArgument& adapter : adapters) {
    if (!bundles_embeddings(adapter.path)) continue;
    EmbeddingArgument& own = result.emplace_back();
    own.path = adapter_tensor_file(adapter.path).string();
    own.bundled = true;
  }
  return result;
}

}  // namespace dorabooth
