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
// The peak learning rate of the UNet's adapters: with scale_lr times gradient accumulation, batch
// size and number of processes, as the scripts have it.
double learning_rate_of(const TrainConfig& config, int64_t processes = 1);
// The same of an adapter whose own rate is `rate`.
double scaled_rate(const TrainConfig& config, double rate, int64_t processes);
// Optimizer steps from one preview (and held-out loss) to the next.
int64_t validation_interval(const TrainConfig& config, int64_t steps_per_epoch);
TrainerOptions trainer_options_of(const TrainConfig& config, int64_t processes = 1);
// `base_type` is the base's own prediction type.
ObjectiveConfig objective_of(const TrainConfig& config, const std::string& base_type);
NoiseOptions noise_options_of(const TrainConfig& config);
TimestepOptions timestep_options_of(const TrainConfig& config);
CaptionOptions caption_options_of(const TrainConfig& config);

// Optimizer steps after which the text encoders and the new tokens stay as they are:
// train_text_encoder_frac or train_text_encoder_ti_frac of all, rounded down as in the script,
// which counts epochs.
int64_t text_steps_of(const TrainConfig& config, int64_t total_steps);
// Whether text_encoders lets adapters on "unet", "text_encoder" or "text_encoder_2".
bool trains_component(const TrainConfig& config, const std::string& component);

// The same of full, which trains text encoders only where train_text_encoder says so.
bool full_trains_component(const TrainConfig& config, const std::string& component);

// Options that exclude each other, or that this run would ignore. Throws UsageError.
void check_trainer_options(const TrainConfig& config);

}  // namespace dorabooth
