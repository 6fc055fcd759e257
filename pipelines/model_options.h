// Settings that several pipelines share: the base, where it computes, adapters, how a picture is
// sampled.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "src/config/field_list.h"

namespace dorabooth {

struct ModelOptions {
  std::string pretrained_model_name_or_path;
  std::optional<std::string> pretrained_vae_model_name_or_path;
  std::optional<std::string> variant;
  std::optional<std::string> config_dir;
  std::string device = "auto";
  std::optional<std::string>
      dtype;  // of UNet and text encoders; absent: fp32 on a CPU, fp16 on CUDA
  std::string vae_dtype = "fp32";
  std::string base_quantization = "none";
};

// Without `dtype`, which training calls mixed_precision.
template <typename T>
void add_model_fields(FieldList<T>& f) {
  f.group("Model");
  f.add("pretrained_model_name_or_path", &ModelOptions::pretrained_model_name_or_path,
        "The base: a diffusers folder or a single .safetensors file.");
  f.add("pretrained_vae_model_name_or_path", &ModelOptions::pretrained_vae_model_name_or_path,
        "A VAE folder that takes the place of the base's VAE.");
  f.add("variant", &ModelOptions::variant, "File variant of a diffusers folder, such as fp16.");
  f.add("config_dir", &ModelOptions::config_dir,
        "Folder with the component configs of a single file whose numbers are not SDXL's.");
  f.add("device", &ModelOptions::device, "auto, cpu, cuda or cuda:N.");
  f.add("vae_dtype", &ModelOptions::vae_dtype,
        "Type of the autoencoder. Where fp16 overflows, as with SDXL's own weights, it goes on in "
        "fp32 with a warning.")
      .one_of({"fp32", "fp16", "bf16"});
  f.add("base_quantization", &ModelOptions::base_quantization,
        "Storage of the large frozen matrices in memory. int8 and fp8 (e4m3), with a scale a row, "
        "take half of half precision; nf4 a quarter (QLoRA, QDoRA), rounded to 16 values a block "
        "of 64.")
      .one_of({"none", "nf4", "int8", "fp8"});
}

template <typename T>
void add_dtype_field(FieldList<T>& f) {
  f.add("dtype", &ModelOptions::dtype, "Type of UNet and text encoders while computing.")
      .one_of({"fp32", "fp16", "bf16"});
}

// The same setting in training, sampling and evaluation: an adapter is used with what it was
// trained with.
template <typename T, typename B>
Field& add_clip_skip_field(FieldList<T>& f, std::optional<int64_t> B::*member) {
  return f
      .add("clip_skip", member,
           "Layers of both text encoders left out before the penultimate one, whose output SDXL "
           "reads; absent: none.")
      .at_least(0)
      .at_most(64);
}

struct SamplingOptions {
  std::optional<std::string> negative_prompt;
  int64_t num_inference_steps = 50;
  double guidance_scale = 5.0;
  double guidance_rescale = 0.0;
  std::optional<int64_t> height;
  std::optional<int64_t> width;
  std::vector<int64_t> original_size;          // height, width
  std::vector<int64_t> crops_coords_top_left;  // top, left
  std::vector<int64_t> target_size;            // height, width
  std::optional<std::string> scheduler;
  std::optional<bool> use_karras_sigmas;
  std::optional<std::string> timestep_spacing;
  double eta = 0.0;
  std::optional<int64_t> clip_skip;
  std::string strength_rule = "peft";
  std::string long_prompts = "cut";
  bool enable_vae_tiling = false;
};

template <typename T>
void add_sampling_fields(FieldList<T>& f) {
  f.group("Sampling");
  f.add("negative_prompt", &SamplingOptions::negative_prompt,
        "What to steer away from. Absent and empty differ: absent means zeros where the base says "
        "so.");
  f.add("num_inference_steps", &SamplingOptions::num_inference_steps, "Denoising steps.")
      .at_least(1)
      .at_most(1000);
  f.add("guidance_scale", &SamplingOptions::guidance_scale,
        "Classifier-free guidance; 1 or less switches it off.")
      .at_least(0)
      .at_most(100);
  f.add("guidance_rescale", &SamplingOptions::guidance_rescale,
        "Share of the guided prediction that is rescaled to the conditional one's spread.")
      .at_least(0)
      .at_most(1);
  f.add("height", &SamplingOptions::height, "Picture height in pixels; absent: the base's own.")
      .at_least(8)
      .at_most(8192);
  f.add("width", &SamplingOptions::width, "Picture width in pixels; absent: the base's own.")
      .at_least(8)
      .at_most(8192);
  f.add("original_size", &SamplingOptions::original_size,
        "Micro-conditioning: height,width of the original; empty: the picture's.");
  f.add("crops_coords_top_left", &SamplingOptions::crops_coords_top_left,
        "Micro-conditioning: top,left of the crop; empty: 0,0.");
  f.add("target_size", &SamplingOptions::target_size,
        "Micro-conditioning: height,width of the target; empty: the picture's.");
  f.add("scheduler", &SamplingOptions::scheduler, "Sampler; absent: the base's own.")
      .one_of({"ddim", "ddpm", "euler", "euler_a", "heun", "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_sde",
               "unipc", "pndm", "lms", "lcm"});
  f.add("use_karras_sigmas", &SamplingOptions::use_karras_sigmas,
        "Karras et al.'s noise levels, where the sampler knows them.");
  f.add("timestep_spacing", &SamplingOptions::timestep_spacing, "How timesteps are spread.")
      .one_of({"leading", "trailing", "linspace"});
  f.add("eta", &SamplingOptions::eta, "DDIM's eta: 0 is deterministic, 1 is DDPM-like.")
      .at_least(0)
      .at_most(1);
  add_clip_skip_field(f, &SamplingOptions::clip_skip).help +=
      " A negative prompt is always read from the penultimate layer, as in diffusers.";
  f.add("strength_rule", &SamplingOptions::strength_rule,
        "What an adapter strength other than 1 means: peft scales the update inside direction and "
        "norm, "
        "lerp interpolates between base and merged weight.")
      .one_of({"peft", "lerp"});
  f.add("long_prompts", &SamplingOptions::long_prompts,
        "Prompts over the encoder's limit: cut with a warning, or encode in chunks.")
      .one_of({"cut", "chunk"});
  f.add("enable_vae_tiling", &SamplingOptions::enable_vae_tiling,
        "Decode in overlapping tiles: less memory for large pictures.");
}

}  // namespace dorabooth
