// Latent diffusion from a prompt to pictures (diffusers' StableDiffusionXLPipeline.__call__): what
// sample, compare, previews and class pictures share. Draws happen in diffusers' order.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipelines/model_options.h"
#include "src/base/image.h"
#include "src/base/log.h"
#include "src/model/bundle.h"
#include "src/model/prompt_encoding.h"
#include "src/scheduler/scheduler.h"

namespace dorabooth {

// Sampling options checked against a base, with the base's own values where they are absent.
struct GenerationPlan {
  int64_t height = 0;  // pixels
  int64_t width = 0;
  int64_t steps = 0;
  double guidance_scale = 0.0;
  double guidance_rescale = 0.0;
  std::vector<float> time_ids;  // original height, width, crop top, left, target height, width
  std::optional<std::string> negative_prompt;
  LongPrompts long_prompts = LongPrompts::kCut;
  int64_t clip_skip = 0;  // of the prompt
  std::string scheduler;  // a name of --scheduler; "": the config's own class
  SchedulerConfig scheduler_config;
  StepOptions step_options;
  std::optional<int64_t> vae_tile;

  bool guided() const { return guidance_scale > 1; }
  std::string scheduler_class() const { return scheduler_class_of(scheduler, scheduler_config); }
  // How often the UNet runs for one picture.
  int64_t calls() const;
};

// UsageError for a size or a micro-conditioning that the base cannot take.
GenerationPlan plan_generation(const SamplingOptions& options, const SdxlBundle& bundle,
                               const Log& log);

// One encoded prompt; `negative` with guidance only.
struct Conditioning {
  PromptEmbeds positive;  // [1, …]
  std::optional<PromptEmbeds> negative;
};

Conditioning encode_conditioning(const SdxlBundle& bundle, const GenerationPlan& plan,
                                 const std::string& prompt, const Log& log);

// The denoising loop, one call of the UNet a step().
class Denoising {
 public:
  // Draws the initial latents of `batch` pictures. `bundle` and `noise` outlive it.
  Denoising(const SdxlBundle& bundle, const GenerationPlan& plan, const Conditioning& conditioning,
            int64_t batch, NoiseSource& noise);

  bool done() const { return index_ == scheduler_->timesteps().size(); }
  // Returns the UNet's output before guidance, [2 * batch or batch, channels, h, w].
  at::Tensor step();

  const at::Tensor& latents() const { return latents_; }  // [batch, channels, h, w]
  const Scheduler& scheduler() const { return *scheduler_; }
  // What the UNet gets besides sample and timesteps: the negative half first.
  const UNetInputs& inputs() const { return inputs_; }

 private:
  at::Tensor guided(const at::Tensor& output) const;

  const SdxlBundle& bundle_;
  NoiseSource& noise_;
  double guidance_scale_;
  double guidance_rescale_;
  bool is_guided_;
  std::unique_ptr<Scheduler> scheduler_;
  UNetInputs inputs_;
  at::Tensor latents_;
  size_t index_ = 0;
};

// [batch, 3, height, width], fp32, not clamped; the VAE works on one picture at a time.
at::Tensor decode_latents(const SdxlBundle& bundle, const GenerationPlan& plan,
                          const at::Tensor& latents);
// clamp(decoded/2 + 0.5, 0, 1).
at::Tensor picture_values(const at::Tensor& decoded);
// Round half to even of 255 times values in [0, 1].
std::vector<Image> to_images(const at::Tensor& values);

// All of it: `batch` pictures of one prompt. `on_step` is called after each call of the UNet; false
// ends the work, and the result is empty.
std::vector<Image> draw_pictures(const SdxlBundle& bundle, const GenerationPlan& plan,
                                 const Conditioning& conditioning, int64_t batch,
                                 NoiseSource& noise, const std::function<bool()>& on_step);

}  // namespace dorabooth
