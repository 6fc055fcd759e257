// Adapter files read for a pipeline, with what its log is told of them.
#pragma once

#include <string>
#include <vector>

#include "pipelines/adapter_argument.h"
#include "pipelines/embedding_argument.h"
#include "src/adapter/adapter_contents.h"
#include "src/base/log.h"

namespace dorabooth {

// A warning that lists the keys which were left out.
void warn_of_ignored_keys(const AdapterContents& contents, const Log& log);

// The embeddings that the adapters' own files bring.
std::vector<EmbeddingArgument> bundled_embeddings(const std::vector<AdapterArgument>& adapters);

}  // namespace dorabooth
