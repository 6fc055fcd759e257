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

// `embeds` has one row a batch row; `cache` may know products with them. The loss is a scalar,
// fp32.
at::Tensor denoising_loss(const UNet& unet, const Ddpm& schedule, const TrainingBatch& batch,
                          const PromptEmbeds& embeds, const ObjectiveConfig& objective,
                          std::shared_ptr<nn::ContextCache> cache = nullptr);

}  // namespace dorabooth
