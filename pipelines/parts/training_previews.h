// Pictures drawn during training: previews of every adapter at fixed seeds, and missing class
// pictures. Internal to pipelines/train.
#pragma once

#include <stop_token>

#include "pipelines/parts/training_checkpoint.h"
#include "pipelines/progress.h"
#include "src/model/bundle.h"
#include "src/report/tensorboard.h"

namespace dorabooth {

// Draws config.validation_prompt with each trainer's adapter attached: one picture a seed (the
// run's seed and the following ones), a column a trainer, written to
// OUT/samples/step-N/<name>-<seed>.png and, where there is one, to `tensorboard`. A preview that
// cannot be drawn is a warning: it must not end a run.
void draw_previews(const TrainConfig& config, const SdxlBundle& bundle, const Trainers& trainers,
                   int64_t step, TensorboardFile* tensorboard, Progress& progress,
                   std::stop_token stop);

// Fills class_data_dir up to num_class_images with pictures of class_prompt from the base alone, by
// the sampler's defaults; class-K.png has seed run seed + K, so that a second run draws only what
// is missing.
void make_class_pictures(const TrainConfig& config, const SdxlBundle& bundle, Progress& progress,
                         std::stop_token stop);

}  // namespace dorabooth
