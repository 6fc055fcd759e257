// The root by eigenvalues; directions without variance are refused instead of being blown up.
#include "pipelines/parts/latent_whitening.h"

#include <ATen/ATen.h>

#include <cmath>

#include "src/base/error.h"

namespace dorabooth {

namespace {

constexpr double kLeastVariance = 1e-6;

at::Tensor power(const at::Tensor& values, const at::Tensor& vectors, double exponent) {
  return at::matmul(vectors * values.pow(exponent), vectors.t());
}

// A 1×1 convolution as a matrix [out, in], fp64.
at::Tensor matrix(const at::Tensor& weight) {
  return weight.to(at::kDouble).reshape({weight.size(0), weight.size(1)});
}

}  // namespace

LatentMoments::LatentMoments(int64_t channels)
    : sum_(at::zeros({channels}, at::kDouble)),
      products_(at::zeros({channels, channels}, at::kDouble)) {}

void LatentMoments::add(const at::Tensor& latents) {
  const at::Tensor places =
      latents.to(at::kDouble).permute({0, 2, 3, 1}).reshape({-1, sum_.size(0)});
  sum_ += places.sum(0);
  products_ += at::matmul(places.t(), places);
  count_ += places.size(0);
}

at::Tensor LatentMoments::mean() const { return sum_ / static_cast<double>(count_); }

at::Tensor LatentMoments::covariance() const {
  const at::Tensor centre = mean();
  return products_ / static_cast<double>(count_) - at::outer(centre, centre);
}

void fold_whitening(const LatentMoments& moments, double std, const std::string& prefix,
                    std::map<std::string, at::Tensor>* weights) {
  const auto taken = [&](const std::string& name) -> at::Tensor& {
    const auto found = weights->find(prefix + name);
    if (found == weights->end()) {
      fail("whitening wants ", prefix, name, ", which this autoencoder lacks");
    }
    return found->second;
  };
  const at::Tensor mean = moments.mean();
  const auto [values, vectors] = at::linalg_eigh(moments.covariance());
  if (values.min().item<double>() < kLeastVariance) {
    fail("whitening: a direction of the latents has the variance ", values.min().item<double>(),
         ", want at least ", kLeastVariance);
  }
  const at::Tensor whiten = power(values, vectors, -0.5);
  const at::Tensor restore = power(values, vectors, 0.5);
  const int64_t channels = mean.size(0);

  at::Tensor& quant = taken("quant_conv.weight");
  at::Tensor& quant_bias = taken("quant_conv.bias");
  const at::Tensor means = at::matmul(whiten, matrix(quant).slice(0, 0, channels));
  const at::Tensor bias =
      at::matmul(whiten, quant_bias.to(at::kDouble).slice(0, 0, channels) - mean);
  const at::Tensor logvar = at::full({channels}, 2.0 * std::log(std), at::kDouble);
  quant = at::cat({means, at::zeros_like(means)}).to(at::kFloat).reshape(quant.sizes());
  quant_bias = at::cat({bias, logvar}).to(at::kFloat);

  at::Tensor& post = taken("post_quant_conv.weight");
  at::Tensor& post_bias = taken("post_quant_conv.bias");
  const at::Tensor map = matrix(post);
  post_bias = (post_bias.to(at::kDouble) + at::matmul(map, mean)).to(at::kFloat);
  post = at::matmul(map, restore).to(at::kFloat).reshape(post.sizes());
}

}  // namespace dorabooth
