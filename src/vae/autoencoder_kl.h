// SDXL's autoencoder (Rombach et al. 2022; diffusers' AutoencoderKL): pictures in [-1, 1] to
// Gaussian latents and back. Submodule names are the diffusers keys. Latents here are the
// autoencoder's own; the denoiser's are these times config().scaling_factor.
#pragma once

#include <functional>
#include <optional>

#include "src/nn/probe.h"
#include "src/vae/vae_blocks.h"

namespace dorabooth {

// N(mean, std²) for every latent, from moments [batch, 2 * latent_channels, h, w]; the
// log-variance is clamped to [-30, 20].
struct Posterior {
  explicit Posterior(at::Tensor moments);
  // mean + std * noise.
  at::Tensor sample(const at::Tensor& noise) const;

  at::Tensor moments;
  at::Tensor mean;
  at::Tensor logvar;
  at::Tensor std;
};

class AutoencoderKl : public torch::nn::Module {
 public:
  // Parameters are made empty, on the device and in the dtype of `options` (the meta device too).
  AutoencoderKl(const VaeConfig& config, const at::TensorOptions& options);

  // image [batch, in_channels, h, w], h and w multiples of config().downscale(). Inputs are cast to
  // the model's dtype.
  Posterior encode(const at::Tensor& image) const;
  // latents [batch, latent_channels, h, w] -> [batch, out_channels, 8h, 8w] (four levels), not
  // clamped.
  at::Tensor decode(const at::Tensor& latents) const;

  // Pictures with a side over `tile_pixels` are worked on in tiles of that side, a quarter of which
  // overlaps; absent: never. diffusers' enable_vae_tiling() is config().sample_size.
  void set_tiling(std::optional<int64_t> tile_pixels);

  // SDXL's own weights overflow fp16. `mend` is called once, when finite numbers gave a result that
  // is not finite: it assigns weights of a wider type to this model, and the result is computed
  // again. It may be empty.
  void on_overflow(std::function<void()> mend) { mend_ = std::move(mend); }

  const VaeConfig& config() const { return config_; }
  at::ScalarType dtype() const { return decoder_->dtype(); }
  void set_probe(nn::Probe probe) { probe_ = std::move(probe); }

 private:
  at::Tensor moments(const at::Tensor& image) const;
  at::Tensor encode_cast(const at::Tensor& image) const;
  at::Tensor decode_whole(const at::Tensor& latents) const;
  at::Tensor decode_cast(const at::Tensor& latents) const;
  // function(x), again after mending if it overflowed.
  at::Tensor mended(at::Tensor (AutoencoderKl::*function)(const at::Tensor&) const,
                    const at::Tensor& x) const;
  bool exceeds_tile(const at::Tensor& x, int64_t tile) const;

  VaeConfig config_;
  std::optional<int64_t> tile_pixels_;
  nn::Probe probe_;
  mutable std::function<void()> mend_;
  std::shared_ptr<VaeEncoder> encoder_;
  std::shared_ptr<VaeDecoder> decoder_;
  std::shared_ptr<nn::Conv2d> quant_conv_;
  std::shared_ptr<nn::Conv2d> post_quant_conv_;
};

}  // namespace dorabooth
