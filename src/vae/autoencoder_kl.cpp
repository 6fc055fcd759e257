// Results are in the default memory format; inside, everything is channels_last.
#include "src/vae/autoencoder_kl.h"

#include <ATen/ATen.h>

#include <utility>

#include "src/base/error.h"
#include "src/vae/tiling.h"

namespace dorabooth {

namespace {

// Of a tile, on each side shared with a neighbour.
constexpr double kOverlap = 0.25;

bool is_finite(const at::Tensor& x) { return at::isfinite(x).all().item<bool>(); }

}  // namespace

Posterior::Posterior(at::Tensor parameters) : moments(std::move(parameters)) {
  const std::vector<at::Tensor> halves = moments.chunk(2, 1);
  mean = halves[0];
  logvar = halves[1].clamp(-30.0, 20.0);
  std = at::exp(0.5 * logvar);
}

at::Tensor Posterior::sample(const at::Tensor& noise) const {
  if (noise.sizes() != mean.sizes()) {
    fail("posterior: want noise ", shape_text(mean.sizes().vec()), ", got ",
         shape_text(noise.sizes().vec()));
  }
  return mean + std * noise;
}

AutoencoderKl::AutoencoderKl(const VaeConfig& config, const at::TensorOptions& options)
    : config_(config) {
  const auto pointwise = [&](int64_t channels) {
    return std::make_shared<nn::Conv2d>(channels, channels,
                                        nn::Window{.size = 1, .stride = 1, .padding = 0}, options);
  };
  encoder_ = register_module("encoder", std::make_shared<VaeEncoder>(config, options));
  decoder_ = register_module("decoder", std::make_shared<VaeDecoder>(config, options));
  if (config.use_quant_conv) {
    quant_conv_ = register_module("quant_conv", pointwise(2 * config.latent_channels));
  }
  if (config.use_post_quant_conv) {
    post_quant_conv_ = register_module("post_quant_conv", pointwise(config.latent_channels));
  }
}

void AutoencoderKl::set_tiling(std::optional<int64_t> tile_pixels) {
  // The step between tiles is whole in latents, too.
  const int64_t unit = 4 * config_.downscale();
  if (tile_pixels && (*tile_pixels < unit || *tile_pixels % unit != 0)) {
    fail("autoencoder: the tile side wants a multiple of ", unit, " pixels, got ", *tile_pixels);
  }
  tile_pixels_ = tile_pixels;
}

bool AutoencoderKl::exceeds_tile(const at::Tensor& x, int64_t tile) const {
  return tile_pixels_ && (x.size(2) > tile || x.size(3) > tile);
}

at::Tensor AutoencoderKl::moments(const at::Tensor& image) const {
  const at::Tensor h = encoder_->forward(image);
  probe_.show("encoder", h);
  return quant_conv_ ? quant_conv_->forward(h) : h;
}

at::Tensor AutoencoderKl::mended(at::Tensor (AutoencoderKl::*function)(const at::Tensor&) const,
                                 const at::Tensor& x) const {
  const at::Tensor result = (this->*function)(x);
  if (!mend_ || is_finite(result) || !is_finite(x)) return result;
  std::exchange(mend_, nullptr)();
  return (this->*function)(x);
}

Posterior AutoencoderKl::encode(const at::Tensor& image) const {
  const int64_t scale = config_.downscale();
  if (image.dim() != 4 || image.size(1) != config_.in_channels || image.size(2) % scale != 0 ||
      image.size(3) % scale != 0 || image.numel() == 0) {
    fail("autoencoder: want a picture [batch,", config_.in_channels,
         ",height,width] with sides in multiples of ", scale, ", got ",
         shape_text(image.sizes().vec()));
  }
  return Posterior(mended(&AutoencoderKl::encode_cast, image));
}

at::Tensor AutoencoderKl::encode_cast(const at::Tensor& image) const {
  const int64_t scale = config_.downscale();
  const at::Tensor cast = image.to(dtype());
  const auto whole = [this](const at::Tensor& tile) { return moments(tile); };
  if (!exceeds_tile(cast, tile_pixels_.value_or(0))) return whole(cast).contiguous();
  const int64_t tile = *tile_pixels_;
  const auto overlap = static_cast<int64_t>(static_cast<double>(tile) * kOverlap);
  const TileGrid grid{.tile = tile,
                      .step = tile - overlap,
                      .output_step = (tile - overlap) / scale,
                      .ramp = overlap / scale};
  return apply_tiled(cast, grid, whole).contiguous();
}

at::Tensor AutoencoderKl::decode_whole(const at::Tensor& latents) const {
  const at::Tensor z = post_quant_conv_ ? post_quant_conv_->forward(latents) : latents;
  probe_.show("post_quant_conv", z);
  return decoder_->forward(z);
}

at::Tensor AutoencoderKl::decode(const at::Tensor& latents) const {
  if (latents.dim() != 4 || latents.size(1) != config_.latent_channels || latents.numel() == 0) {
    fail("autoencoder: want latents [batch,", config_.latent_channels, ",height,width], got ",
         shape_text(latents.sizes().vec()));
  }
  return mended(&AutoencoderKl::decode_cast, latents);
}

at::Tensor AutoencoderKl::decode_cast(const at::Tensor& latents) const {
  const int64_t scale = config_.downscale();
  const at::Tensor cast = latents.to(dtype());
  const int64_t tile = tile_pixels_.value_or(0) / scale;
  if (!exceeds_tile(cast, tile)) return decode_whole(cast).contiguous();
  const auto overlap = static_cast<int64_t>(static_cast<double>(tile) * kOverlap);
  const TileGrid grid{.tile = tile,
                      .step = tile - overlap,
                      .output_step = (tile - overlap) * scale,
                      .ramp = overlap * scale};
  const auto whole = [this](const at::Tensor& part) { return decode_whole(part); };
  return apply_tiled(cast, grid, whole).contiguous();
}

}  // namespace dorabooth
