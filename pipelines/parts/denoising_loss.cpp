// Noise, predict, compare: x_t in fp32, the prediction back in fp32, the loss of src/objective.
#include "pipelines/parts/denoising_loss.h"

#include <ATen/ATen.h>

#include "src/objective/target.h"

namespace dorabooth {

at::Tensor denoising_loss(const UNet& unet, const Ddpm& schedule, const TrainingBatch& batch,
                          const PromptEmbeds& embeds, const ObjectiveConfig& objective,
                          std::shared_ptr<nn::ContextCache> cache) {
  const at::Device device = embeds.prompt_embeds.device();
  const at::Tensor latents = batch.latents.to(device);
  const at::Tensor noise = batch.noise.to(device);
  const at::Tensor timesteps = batch.timesteps.to(device);
  UNetInputs inputs;
  // Noised in fp32; the UNet casts to its own dtype.
  inputs.sample = schedule.add_noise(
      latents, batch.input_noise.defined() ? batch.input_noise.to(device) : noise, timesteps);
  inputs.timesteps = timesteps;
  inputs.encoder_hidden_states = embeds.prompt_embeds;
  inputs.text_embeds = embeds.pooled;
  inputs.time_ids = batch.time_ids.to(device);
  inputs.cache = std::move(cache);
  const at::Tensor prediction = unet.forward(inputs).to(at::kFloat);
  const at::Tensor target =
      training_target(objective.prediction_type, schedule, latents, noise, timesteps);
  return training_loss(objective, schedule, prediction, target, timesteps,
                       batch.latents.size(0) - batch.instance_rows)
      .total;
}

}  // namespace dorabooth
