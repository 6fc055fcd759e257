// Luma is Rec. 601's. A scale of 0 computes nothing.
#include "src/objective/autoencoder_loss.h"

#include <ATen/ATen.h>

namespace dorabooth {

namespace {

constexpr double kFloor = 1e-5;  // of a picture's squared error under the logarithm: 56 dB

at::Tensor by_picture(const at::Tensor& d) { return d.square().flatten(1).mean(1); }

at::Tensor gradient_error(const at::Tensor& d) {
  const at::Tensor dx = d.slice(3, 1) - d.slice(3, 0, -1);
  const at::Tensor dy = d.slice(2, 1) - d.slice(2, 0, -1);
  return dx.abs().mean() + dy.abs().mean();
}

// R − Y and B − Y are linear, so the error's differences are the differences' errors.
at::Tensor chroma_error(const at::Tensor& d) {
  const at::Tensor coarse = at::avg_pool2d(d, 2);
  const at::Tensor r = coarse.select(1, 0);
  const at::Tensor b = coarse.select(1, 2);
  const at::Tensor y = 0.299 * r + 0.587 * coarse.select(1, 1) + 0.114 * b;
  return (r - y).abs().mean() + (b - y).abs().mean();
}

at::Tensor covariance_error(const at::Tensor& mean) {
  const at::Tensor places = mean.permute({0, 2, 3, 1}).reshape({-1, mean.size(1)});
  const at::Tensor centre = places.mean(0);
  const at::Tensor centred = places - centre;
  const at::Tensor covariance =
      at::matmul(centred.t(), centred) / static_cast<double>(places.size(0));
  const at::Tensor identity = at::eye(mean.size(1), mean.options());
  return (covariance - identity).square().mean() + centre.square().mean();
}

}  // namespace

at::Tensor reconstruction_loss(const AutoencoderScales& scales, const at::Tensor& made,
                               const at::Tensor& wanted) {
  const at::Tensor d = made - wanted;
  at::Tensor loss = at::zeros({}, d.options());
  if (scales.l1 > 0) loss = loss + scales.l1 * d.abs().mean();
  if (scales.l2 > 0) loss = loss + scales.l2 * d.square().mean();
  if (scales.log_l2 > 0) loss = loss + scales.log_l2 * (by_picture(d) + kFloor).log().mean();
  if (scales.gradient > 0) loss = loss + scales.gradient * gradient_error(d);
  if (scales.pooled > 0) loss = loss + scales.pooled * at::avg_pool2d(d, 4).abs().mean();
  if (scales.chroma > 0) loss = loss + scales.chroma * chroma_error(d);
  return loss;
}

at::Tensor latent_loss(const AutoencoderScales& scales, const at::Tensor& mean,
                       const at::Tensor& logvar) {
  at::Tensor loss = at::zeros({}, mean.options());
  if (scales.kl > 0) {
    loss = loss + 0.5 * scales.kl * (mean.square() + logvar.exp() - 1.0 - logvar).mean();
  }
  if (scales.covariance > 0) loss = loss + scales.covariance * covariance_error(mean);
  return loss;
}

at::Tensor psnr(const at::Tensor& made, const at::Tensor& wanted) {
  const at::Tensor d = made.clamp(-1.0, 1.0) - wanted;
  return 10.0 * (4.0 / by_picture(d).clamp_min(1e-10)).log10();
}

}  // namespace dorabooth
