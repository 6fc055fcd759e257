// What a training config says to the parts of a run: model, optimizer, objective, noise.
#pragma once

#include <string>

#include "datasets/caption_draws.h"
#include "datasets/training_noise.h"
#include "pipelines/parts/adapter_trainer.h"
#include "pipelines/train.h"
#include "src/objective/loss.h"

namespace dorabooth {

ModelOptions model_options_of(const TrainConfig& config);
TrainerOptions trainer_options_of(const TrainConfig& config);
// `base_type` is the base's own prediction type.
ObjectiveConfig objective_of(const TrainConfig& config, const std::string& base_type);
NoiseOptions noise_options_of(const TrainConfig& config);
TimestepOptions timestep_options_of(const TrainConfig& config);
CaptionOptions caption_options_of(const TrainConfig& config);

// Options that exclude each other, or that this run would ignore. Throws UsageError.
void check_trainer_options(const TrainConfig& config);

}  // namespace dorabooth
