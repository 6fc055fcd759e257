// What an autoencoder is trained for: pictures that come back as they were, latents that a denoiser
// learns easily.
#pragma once

#include <ATen/core/Tensor.h>

namespace dorabooth {

struct AutoencoderScales {
  double l1 = 0.0;          // mean |d|
  double l2 = 0.0;          // mean d²
  double log_l2 = 0.0;      // mean over pictures of log(mean d² + 1e-5): PSNR, in nepers
  double gradient = 0.0;    // mean |∂x d| + mean |∂y d|, differences of neighbours
  double pooled = 0.0;      // mean |d| of means over 4×4 pixels
  double chroma = 0.0;      // mean |d| of R − Y and B − Y of means over 2×2 pixels
  double kl = 0.0;          // mean of KL(N(mean, exp(logvar)) ‖ N(0, 1)) over latents
  double covariance = 0.0;  // |C − 1|² + |mean|², both means over their elements
};

// The reconstruction's part, with d = made − wanted; both [batch, 3, h, w] in [-1, 1], fp32.
at::Tensor reconstruction_loss(const AutoencoderScales& scales, const at::Tensor& made,
                               const at::Tensor& wanted);

// The latents' part: means and log-variances [batch, channels, h, w], fp32. C is the covariance of
// the channels over batch and places.
at::Tensor latent_loss(const AutoencoderScales& scales, const at::Tensor& mean,
                       const at::Tensor& logvar);

// 10·log10(4 / mean d²) of each picture: [batch]. Pictures are clamped to [-1, 1] before.
at::Tensor psnr(const at::Tensor& made, const at::Tensor& wanted);

}  // namespace dorabooth
