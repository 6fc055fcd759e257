// The loop and its ends. Gradients are off by NoGradGuard and not by inference mode: what adapters
// cache while sampling is used by training afterwards.
#include "pipelines/parts/generation.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "src/base/error.h"

namespace dorabooth {

namespace {

int64_t side(const char* name, const std::optional<int64_t>& asked, const SdxlBundle& bundle) {
  const int64_t pixels = asked.value_or(bundle.default_size);
  if (pixels < 1 || pixels % bundle.vae_scale_factor != 0) {
    throw UsageError(concat("--", name, ": want a multiple of ", bundle.vae_scale_factor,
                            " pixels, got ", pixels));
  }
  return pixels;
}

void append_pair(const char* name, const std::vector<int64_t>& given, int64_t first, int64_t second,
                 std::vector<float>& time_ids) {
  if (!given.empty() && given.size() != 2) {
    throw UsageError(concat("--", name, ": want two numbers, got ", given.size()));
  }
  time_ids.push_back(static_cast<float>(given.empty() ? first : given[0]));
  time_ids.push_back(static_cast<float>(given.empty() ? second : given[1]));
}

// A setting that the sampler's class lacks does nothing, which is worth a word.
template <typename T>
void give_setting(const char* key, const std::optional<T>& value, GenerationPlan& plan,
                  const Log& log) {
  if (!value) return;
  give_scheduler_setting(plan.scheduler_config, key, *value, concat("--", key));
  if (!scheduler_class_reads(plan.scheduler_class(), key)) {
    log.warning(concat("--", key, " has no meaning for ", plan.scheduler_class()));
  }
}

at::Tensor rows(const at::Tensor& one, int64_t batch) {
  std::vector<int64_t> sizes = one.sizes().vec();
  sizes[0] = batch;
  return one.expand(sizes);
}

at::Tensor standard_deviation(const at::Tensor& x) {
  return x.std(at::IntArrayRef{1, 2, 3}, /*unbiased=*/true, /*keepdim=*/true);
}

}  // namespace

int64_t GenerationPlan::calls() const {
  const auto made = make_scheduler(scheduler, scheduler_config, step_options);
  return static_cast<int64_t>(made->set_timesteps(steps).size());
}

GenerationPlan plan_generation(const SamplingOptions& options, const SdxlBundle& bundle,
                               const Log& log) {
  GenerationPlan plan;
  plan.height = side("height", options.height, bundle);
  plan.width = side("width", options.width, bundle);
  plan.steps = options.num_inference_steps;
  plan.guidance_scale = options.guidance_scale;
  plan.guidance_rescale = options.guidance_rescale;
  append_pair("original_size", options.original_size, plan.height, plan.width, plan.time_ids);
  append_pair("crops_coords_top_left", options.crops_coords_top_left, 0, 0, plan.time_ids);
  append_pair("target_size", options.target_size, plan.height, plan.width, plan.time_ids);
  plan.negative_prompt = options.negative_prompt;
  plan.long_prompts = parse_long_prompts(options.long_prompts);
  plan.clip_skip = options.clip_skip.value_or(0);
  plan.scheduler = options.scheduler.value_or("");
  plan.scheduler_config = bundle.scheduler;
  give_setting("use_karras_sigmas", options.use_karras_sigmas, plan, log);
  give_setting("timestep_spacing", options.timestep_spacing, plan, log);
  plan.step_options.eta = options.eta;
  if (options.enable_vae_tiling) plan.vae_tile = bundle.vae->config().sample_size;
  if (plan.negative_prompt && !plan.guided()) {
    log.warning("the negative prompt has no effect: guidance is off");
  }
  return plan;
}

Conditioning encode_conditioning(const SdxlBundle& bundle, const GenerationPlan& plan,
                                 const std::string& prompt, const Log& log) {
  const at::NoGradGuard no_grad;
  if (!plan.guided()) {
    return {encode_prompts(bundle, {prompt}, plan.long_prompts, log, plan.clip_skip), std::nullopt};
  }
  GuidedEmbeds both =
      encode_guided(bundle, {prompt}, plan.negative_prompt, plan.long_prompts, log, plan.clip_skip);
  return {std::move(both.positive), std::move(both.negative)};
}

Denoising::Denoising(const SdxlBundle& bundle, const GenerationPlan& plan,
                     const Conditioning& conditioning, int64_t batch, NoiseSource& noise)
    : bundle_(bundle),
      noise_(noise),
      guidance_scale_(plan.guidance_scale),
      guidance_rescale_(plan.guidance_rescale),
      is_guided_(plan.guided()),
      scheduler_(make_scheduler(plan.scheduler, plan.scheduler_config, plan.step_options)) {
  const at::NoGradGuard no_grad;
  scheduler_->set_timesteps(plan.steps);
  const int64_t factor = bundle.vae_scale_factor;
  const at::Tensor drawn = noise.draw(
      {batch, bundle.unet->config().in_channels, plan.height / factor, plan.width / factor},
      bundle.dtype);
  latents_ = drawn.to(bundle.device) * scheduler_->init_noise_sigma();

  const PromptEmbeds& positive = conditioning.positive;
  inputs_.encoder_hidden_states = rows(positive.prompt_embeds, batch);
  inputs_.text_embeds = rows(positive.pooled, batch);
  if (is_guided_) {
    const PromptEmbeds& negative = *conditioning.negative;
    inputs_.encoder_hidden_states =
        at::cat({rows(negative.prompt_embeds, batch), inputs_.encoder_hidden_states});
    inputs_.text_embeds = at::cat({rows(negative.pooled, batch), inputs_.text_embeds});
  }
  inputs_.encoder_hidden_states = inputs_.encoder_hidden_states.to(bundle.dtype);
  inputs_.cache = std::make_shared<nn::OutputCache>();
  // The reference rounds these to the model's dtype too.
  const at::Tensor time_ids = at::tensor(plan.time_ids, at::kFloat).to(bundle.dtype);
  inputs_.time_ids =
      rows(time_ids.unsqueeze(0), inputs_.text_embeds.size(0)).to(bundle.device).contiguous();
}

at::Tensor Denoising::step() {
  const at::NoGradGuard no_grad;
  UNetInputs inputs = inputs_;
  const at::Tensor sample = scheduler_->scale_model_input(latents_, index_);
  inputs.sample = is_guided_ ? at::cat({sample, sample}) : sample;
  inputs.timesteps = at::full({inputs.sample.size(0)}, scheduler_->timesteps()[index_],
                              at::TensorOptions(at::kFloat).device(bundle_.device));
  const at::Tensor output = bundle_.unet->forward(inputs);
  latents_ = scheduler_->step(is_guided_ ? guided(output) : output, index_, latents_, noise_);
  ++index_;
  return output;
}

// Classifier-free guidance (Ho & Salimans 2022), and the rescale of Lin et al. 2024, eq. 16.
at::Tensor Denoising::guided(const at::Tensor& output) const {
  const std::vector<at::Tensor> halves = output.chunk(2);
  const at::Tensor& unconditional = halves[0];
  const at::Tensor& conditional = halves[1];
  const at::Tensor out = unconditional + guidance_scale_ * (conditional - unconditional);
  if (guidance_rescale_ == 0) return out;
  const at::Tensor rescaled = out * (standard_deviation(conditional) / standard_deviation(out));
  return guidance_rescale_ * rescaled + (1 - guidance_rescale_) * out;
}

at::Tensor decode_latents(const SdxlBundle& bundle, const GenerationPlan& plan,
                          const at::Tensor& latents) {
  const at::NoGradGuard no_grad;
  bundle.vae->set_tiling(plan.vae_tile);
  std::vector<at::Tensor> decoded;
  for (const at::Tensor& one : latents.split(1)) {
    const at::Tensor unscaled = one.to(at::kFloat) / bundle.vae->config().scaling_factor;
    decoded.push_back(bundle.vae->decode(unscaled).to(at::kFloat));
  }
  return at::cat(decoded);
}

at::Tensor picture_values(const at::Tensor& decoded) {
  return (decoded * 0.5 + 0.5).clamp(0.0, 1.0);
}

std::vector<Image> to_images(const at::Tensor& values) {
  if (!at::isfinite(values).all().item<bool>()) {
    fail(
        "a picture holds values that are not finite: the model overflowed (--dtype fp32 has the "
        "widest range)");
  }
  const at::Tensor bytes =
      (values * 255.0).round().to(at::kByte).permute({0, 2, 3, 1}).cpu().contiguous();
  std::vector<Image> images;
  for (const at::Tensor& one : bytes.unbind(0)) {
    Image image(static_cast<int>(one.size(1)), static_cast<int>(one.size(0)));
    std::copy_n(one.const_data_ptr<uint8_t>(), image.rgb_hwc.size(), image.rgb_hwc.begin());
    images.push_back(std::move(image));
  }
  return images;
}

std::vector<Image> draw_pictures(const SdxlBundle& bundle, const GenerationPlan& plan,
                                 const Conditioning& conditioning, int64_t batch,
                                 NoiseSource& noise, const std::function<bool()>& on_step) {
  Denoising denoising(bundle, plan, conditioning, batch, noise);
  while (!denoising.done()) {
    denoising.step();
    if (!on_step()) return {};
  }
  return to_images(picture_values(decode_latents(bundle, plan, denoising.latents())));
}

}  // namespace dorabooth
