// The pictures of a run as batches: class pictures drawn where they are missing, everything encoded
// or found in the cache. Internal to pipelines/train.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "datasets/batch_source.h"
#include "pipelines/parts/text_cache.h"
#include "pipelines/progress.h"
#include "pipelines/train.h"
#include "src/model/bundle.h"

namespace dorabooth {

// Encodes a stream's pictures ("instance", "class" or "held-out") with a progress of its own; tells
// `log` the folder's notes. Empty if it was asked to stop.
std::optional<ExampleSet> encode_pictures(const TrainConfig& config, const SdxlBundle& bundle,
                                          const ImageFolder& folder, const std::string& stream,
                                          Progress& progress, std::stop_token stop);

BatchOptions batch_options_of(const TrainConfig& config, const SdxlBundle& bundle,
                              int64_t num_train_timesteps);

// All that a module's outputs depend on beside its inputs: its class of numbers, its weights, and
// how this machine computes. For names in the disk cache.
std::string module_digest(const torch::nn::Module& module, const TrainConfig& config);

// Where --disk_cache_dir keeps embeddings, if it does; new tokens' own are never kept.
std::optional<TextCache> text_cache_of(const TrainConfig& config, const SdxlBundle& bundle);

}  // namespace dorabooth
