// Pictures drawn during training: previews of every adapter at fixed seeds, and missing class
// pictures. Internal to pipelines/train.
#pragma once

#include <stop_token>

#include "pipelines/training_run.h"

namespace dorabooth {

// Draws config.validation_prompt with each trainer's adapter attached: one picture a seed (the
// run's seed and the following ones), a column a trainer, written to
// OUT/samples/step-N/<name>-<seed>.png.
void draw_previews(const TrainConfig& config, const SdxlBundle& bundle,
                   const std::vector<std::unique_ptr<AdapterTrainer>>& trainers, int64_t step,
                   Progress& progress, std::stop_token stop);

// Fills class_data_dir up to num_class_images with pictures of class_prompt from the base alone,
// one seed a picture, so that a second run adds only what is missing.
void make_class_pictures(const TrainConfig& config, const SdxlBundle& bundle, Progress& progress,
                         std::stop_token stop);

}  // namespace dorabooth
