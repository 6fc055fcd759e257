// Noise comes from the stream "evaluate/noise", by (picture, timestep).
#include "pipelines/parts/held_out_loss.h"

#include <ATen/ATen.h>

#include <numeric>
#include <span>

#include "src/base/random_stream.h"
#include "src/objective/target.h"

namespace dorabooth {

namespace {

// The middle of each of `count` equal parts of the schedule.
int64_t stratified_timestep(int64_t k, int64_t count, int64_t num_train_timesteps) {
  return (2 * k + 1) * num_train_timesteps / (2 * count);
}

}  // namespace

HeldOutLoss::HeldOutLoss(ExampleSet examples, uint64_t seed, int64_t num_timesteps,
                         double scaling_factor)
    : examples_(std::move(examples)),
      seed_(seed),
      num_timesteps_(num_timesteps),
      scaling_factor_(scaling_factor) {}

int64_t HeldOutLoss::timestep(int64_t k, const Ddpm& schedule) const {
  return stratified_timestep(k, num_timesteps_, schedule.num_train_timesteps());
}

double HeldOutLoss::sum(const SdxlBundle& bundle, const Ddpm& schedule,
                        const std::string& prediction_type, const PromptEmbeds& embeds,
                        int64_t first, int64_t last) const {
  const std::vector<double> each = losses(bundle, schedule, prediction_type, embeds, first, last);
  return std::accumulate(each.begin(), each.end(), 0.0);
}

std::vector<double> HeldOutLoss::losses(const SdxlBundle& bundle, const Ddpm& schedule,
                                        const std::string& prediction_type,
                                        const PromptEmbeds& embeds, int64_t first,
                                        int64_t last) const {
  const auto size_of = [&](int64_t row) {
    return examples_.examples[static_cast<size_t>(row / num_timesteps_)].size;
  };
  std::vector<double> losses;
  while (first < last) {
    int64_t end = first + 1;
    while (end < last && size_of(end) == size_of(first)) ++end;
    const at::Tensor each =
        losses_of_one_size(bundle, schedule, prediction_type, embeds, first, end);
    losses.insert(losses.end(), each.data_ptr<double>(), each.data_ptr<double>() + each.numel());
    first = end;
  }
  return losses;
}

at::Tensor HeldOutLoss::losses_of_one_size(const SdxlBundle& bundle, const Ddpm& schedule,
                                           const std::string& prediction_type,
                                           const PromptEmbeds& embeds, int64_t first,
                                           int64_t last) const {
  const at::NoGradGuard no_grad;
  const RandomStream stream(seed_, "evaluate/noise");
  std::vector<at::Tensor> latent_rows;
  std::vector<at::Tensor> noise_rows;
  std::vector<int64_t> timestep_rows;
  std::vector<int64_t> picture_rows;
  std::vector<at::Tensor> time_ids;
  for (int64_t row = first; row < last; ++row) {
    const int64_t picture = row / num_timesteps_;
    const int64_t k = row % num_timesteps_;
    const ExampleVariation& variation =
        examples_.examples[static_cast<size_t>(picture)].variations.front();
    const at::Tensor mean = variation.posterior->load().mean;
    at::Tensor draw = at::empty(mean.sizes(), at::kFloat);
    stream.normal(static_cast<uint64_t>(picture), static_cast<uint32_t>(k),
                  std::span<float>(draw.data_ptr<float>(), static_cast<size_t>(draw.numel())));
    latent_rows.push_back(mean * scaling_factor_);
    noise_rows.push_back(draw);
    timestep_rows.push_back(timestep(k, schedule));
    picture_rows.push_back(picture);
    time_ids.push_back(variation.time_ids);
  }
  const at::Tensor latents = at::stack(latent_rows);
  const at::Tensor noise = at::stack(noise_rows);
  const at::Tensor timesteps = at::tensor(timestep_rows);
  const at::Tensor pictures = at::tensor(picture_rows);
  const at::Device device = bundle.device;
  const at::Tensor on_device = pictures.to(device);
  UNetInputs inputs;
  inputs.sample = schedule.add_noise(latents, noise, timesteps).to(device, bundle.dtype);
  inputs.timesteps = timesteps.to(device);
  inputs.encoder_hidden_states = embeds.prompt_embeds.index_select(0, on_device);
  inputs.text_embeds = embeds.pooled.index_select(0, on_device);
  inputs.time_ids = at::stack(time_ids).to(device);
  const at::Tensor prediction = bundle.unet->forward(inputs).to(at::kCPU, at::kFloat);
  const at::Tensor target = training_target(prediction_type, schedule, latents, noise, timesteps);
  const at::Tensor error = (prediction - target).square().to(at::kDouble);
  return error.mean({1, 2, 3}).contiguous();
}

}  // namespace dorabooth
