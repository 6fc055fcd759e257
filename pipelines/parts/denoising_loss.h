// The DreamBooth loss of one micro-batch: noise, predict, compare with the target, weight; instance
// rows and class rows apart (train_dreambooth_lora_sdxl.py).
#pragma once

#include <ATen/core/Tensor.h>

#include "datasets/batch_source.h"
#include "src/model/prompt_encoding.h"
#include "src/objective/loss.h"
#include "src/scheduler/noise_schedule.h"
#include "src/unet/unet.h"

namespace dorabooth {

// `embeds` has one row a batch row; `cache` may know products with them. `prior_target` is what the
// class rows are compared with instead of their own noise (base_prediction()), or undefined. The
// loss is a scalar, fp32, times the batch's share. The batch's `of_class` is left out.
at::Tensor denoising_loss(const UNet& unet, const Ddpm& schedule, const TrainingBatch& batch,
                          const PromptEmbeds& embeds, const ObjectiveConfig& objective,
                          std::shared_ptr<nn::ContextCache> cache = nullptr,
                          const at::Tensor& prior_target = {});

// The weighted loss of a batch of class rows alone.
at::Tensor prior_loss(const UNet& unet, const Ddpm& schedule, const TrainingBatch& batch,
                      const PromptEmbeds& embeds, const ObjectiveConfig& objective,
                      std::shared_ptr<nn::ContextCache> cache = nullptr);

// What the UNet predicts for the batch's class rows, fp32, without gradient: their target where
// the base preserves its prior. Nothing is attached; `embeds` has a row a class row.
at::Tensor base_prediction(const UNet& unet, const Ddpm& schedule, const TrainingBatch& batch,
                           const PromptEmbeds& embeds,
                           std::shared_ptr<nn::ContextCache> cache = nullptr);

}  // namespace dorabooth
