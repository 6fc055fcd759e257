// The trainers of a run: each adapter's set over the loaded base, or the weights that it trains.
// Internal to pipelines/train.
#pragma once

#include "pipelines/parts/training_checkpoint.h"

namespace dorabooth {

// `tokens`: the rows that new tokens begin as, or null; the bundle outlives the trainers. Says of
// each what it trains.
Trainers trainers_of(const TrainConfig& config, const SdxlBundle& bundle,
                     const TokenEmbeddings* tokens, int64_t processes, const Log& log);

}  // namespace dorabooth
