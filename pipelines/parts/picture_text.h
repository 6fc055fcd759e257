// The text chunks of a drawn picture: A1111's `parameters`, which other tools read, and our JSON
// with which the picture can be drawn again.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "pipelines/parts/adapter_stack.h"
#include "pipelines/parts/embedding_stack.h"
#include "pipelines/parts/generation.h"
#include "pipelines/sample.h"
#include "src/imagefile/image_file.h"

namespace dorabooth {

// `request` for one prompt and seed, with what the base and the machine decided written out: the
// same picture gets the same text, whatever was drawn beside it.
SampleRequest request_of_one(const SampleRequest& request, const std::string& prompt, int64_t seed,
                             int64_t index, const GenerationPlan& plan, const SdxlBundle& bundle);

// `one` as request_of_one makes it.
PngText picture_text(const SampleRequest& one, const GenerationPlan& plan, const SdxlBundle& bundle,
                     const AdapterStack& adapters, const EmbeddingStack& embeddings);

// A1111's text: prompt, negative prompt, and a line of settings.
std::string parameters_text(const SampleRequest& one, const std::string& scheduler_class,
                            const std::string& model);

// Our JSON in a picture's text chunk; throws if it has none.
nlohmann::json picture_json(const std::string& picture);

}  // namespace dorabooth
