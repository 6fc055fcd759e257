// Noise, predict, compare: x_t in fp32, the prediction back in fp32, the loss of src/objective.
#include "pipelines/parts/denoising_loss.h"

#include <ATen/ATen.h>

#include "src/objective/target.h"

namespace dorabooth {

namespace {

// Rows [first, rows) of a batch.
at::Tensor predict(const UNet& unet, const Ddpm& schedule, const TrainingBatch& batch,
                   int64_t first, const PromptEmbeds& embeds,
                   std::shared_ptr<nn::ContextCache> cache) {
  const at::Device device = embeds.prompt_embeds.device();
  const auto rows = [&](const at::Tensor& all) { return all.slice(0, first).to(device); };
  const at::Tensor timesteps = rows(batch.timesteps);
  UNetInputs inputs;
  // Noised in fp32; the UNet casts to its own dtype.
  inputs.sample = schedule.add_noise(
      rows(batch.latents), rows(batch.input_noise.defined() ? batch.input_noise : batch.noise),
      timesteps);
  inputs.timesteps = timesteps;
  inputs.encoder_hidden_states = embeds.prompt_embeds;
  inputs.text_embeds = embeds.pooled;
  inputs.time_ids = rows(batch.time_ids);
  inputs.cache = std::move(cache);
  return unet.forward(inputs).to(at::kFloat);
}

at::Tensor target_of(const Ddpm& schedule, const TrainingBatch& batch, const std::string& type,
                     at::Device device) {
  return training_target(type, schedule, batch.latents.to(device), batch.noise.to(device),
                         batch.timesteps.to(device));
}

}  // namespace

at::Tensor denoising_loss(const UNet& unet, const Ddpm& schedule, const TrainingBatch& batch,
                          const PromptEmbeds& embeds, const ObjectiveConfig& objective,
                          std::shared_ptr<nn::ContextCache> cache, const at::Tensor& prior_target) {
  const at::Tensor prediction = predict(unet, schedule, batch, 0, embeds, std::move(cache));
  const at::Device device = prediction.device();
  at::Tensor target = target_of(schedule, batch, objective.prediction_type, device);
  if (prior_target.defined()) {
    target = at::cat({target.slice(0, 0, batch.instance_rows), prior_target});
  }
  const at::Tensor total =
      training_loss(objective, schedule, prediction, target, batch.timesteps.to(device),
                    batch.rows() - batch.instance_rows, {batch.loss_weights, batch.masks})
          .total;
  return batch.share == 1.0 ? total : total * batch.share;
}

at::Tensor prior_loss(const UNet& unet, const Ddpm& schedule, const TrainingBatch& batch,
                      const PromptEmbeds& embeds, const ObjectiveConfig& objective,
                      std::shared_ptr<nn::ContextCache> cache) {
  const at::Tensor prediction = predict(unet, schedule, batch, 0, embeds, std::move(cache));
  const at::Device device = prediction.device();
  const at::Tensor errors = error_by_sample(
      objective.error, schedule, prediction,
      target_of(schedule, batch, objective.prediction_type, device), batch.timesteps.to(device));
  return errors.mean() * (objective.prior_loss_weight * batch.share);
}

at::Tensor base_prediction(const UNet& unet, const Ddpm& schedule, const TrainingBatch& batch,
                           const PromptEmbeds& embeds, std::shared_ptr<nn::ContextCache> cache) {
  const at::NoGradGuard no_grad;
  return predict(unet, schedule, batch, batch.instance_rows, embeds, std::move(cache));
}

}  // namespace dorabooth
