// How much memory a step's activations take, counted over SDXL's UNet and VAE from their configs.
// Internal to the forecast.
#pragma once

#include <cstdint>

#include "src/unet/unet_config.h"
#include "src/vae/vae_config.h"

namespace dorabooth {

struct StepShape {
  int64_t rows = 1;  // of a micro-batch, class rows included
  int64_t latent_height = 128;
  int64_t latent_width = 128;
  int64_t bytes = 4;  // of an activation: fp32 4, bf16 and fp16 2
  bool checkpointing = false;
};

struct ActivationCount {
  double saved = 0.0;           // bytes kept from forward to backward at their most
  double passing = 0.0;         // bytes of the largest layer's temporaries
  double packed_weights = 0.0;  // bytes of convolution weights reordered for the backward pass
};

// Where only the attention projections (or more) have adapters: nothing is kept below the first
// transformer.
ActivationCount unet_activations(const UNetConfig& config, const StepShape& shape, bool on_cpu);

// Peaks of one picture's encoding and decoding, without weights.
double vae_encode_bytes(const VaeConfig& config, int64_t pixels, int64_t bytes);
double vae_decode_bytes(const VaeConfig& config, int64_t pixels, int64_t bytes);

}  // namespace dorabooth
