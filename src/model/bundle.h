// An SDXL base assembled: the four models, both tokenizers and what the pipelines need to know.
#pragma once

#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include "src/adapter/set.h"
#include "src/base/log.h"
#include "src/clip/clip_text_model.h"
#include "src/model/checkpoint.h"
#include "src/quant/weight_storage.h"
#include "src/tokenizers/tokenizer.h"
#include "src/unet/unet.h"
#include "src/vae/autoencoder_kl.h"

namespace dorabooth {

struct LoadOptions {
  at::ScalarType dtype = at::kFloat;
  at::ScalarType vae_dtype = at::kFloat;
  at::Device device = at::kCPU;
  std::string variant;               // of weight files ("fp16")
  std::filesystem::path config_dir;  // configs of a single file, see Checkpoint::open
  std::filesystem::path vae_path;    // another VAE than the base's, see Checkpoint::open_vae
  std::set<Component> components = {kComponents.begin(), kComponents.end()};
  // False: parameters are never read-only mapped memory (for training the base itself).
  bool in_place = true;
  // How UNet and text encoders keep the matrices of their transformer blocks.
  WeightStorage storage = WeightStorage::kDense;
};

struct SdxlBundle {
  std::filesystem::path path;
  // Components that were not asked for are null.
  std::shared_ptr<UNet> unet;
  std::shared_ptr<ClipTextModel> text_encoder;
  std::shared_ptr<ClipTextModel> text_encoder_2;
  std::shared_ptr<AutoencoderKl> vae;
  // There with the text encoder that they serve.
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<const Tokenizer> tokenizer_2;

  SchedulerConfig scheduler;  // class_name: the base's own sampler
  bool force_zeros_for_empty_prompt = true;
  int64_t vae_scale_factor = 8;  // pixels a latent's side stands for
  int64_t default_size = 1024;   // side of the pictures that the base was made for
  at::ScalarType dtype = at::kFloat;
  at::Device device = at::kCPU;

  // The adaptable layers of the loaded UNet and text encoders: "unet.…", "text_encoder.…",
  // "text_encoder_2.…".
  LinearLayers linear_layers() const;
};

// Throws if the base lacks a component that was asked for, or if the components do not fit
// together.
SdxlBundle load_bundle(const std::filesystem::path& path, const LoadOptions& options,
                       const Log& log = {});
// The same from an open checkpoint.
SdxlBundle load_bundle(const Checkpoint& checkpoint, const LoadOptions& options,
                       const Log& log = {});

// The base's tokenizer 1 or 2; CLIP's where the base ships none.
std::shared_ptr<const Tokenizer> load_tokenizer(const Checkpoint& checkpoint, int encoder);

}  // namespace dorabooth
