// A linear map of the latents' channels, folded into an autoencoder's 1×1 convolutions, after which
// a denoiser meets channels of mean 0, variance 1 and no correlation. Internal to
// pipelines/pretrain.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

namespace dorabooth {

// Mean and covariance of latents over pictures and places, in double precision.
class LatentMoments {
 public:
  explicit LatentMoments(int64_t channels);
  void add(const at::Tensor& latents);  // [batch, channels, h, w]
  at::Tensor mean() const;              // [channels] fp64
  at::Tensor covariance() const;        // [channels, channels] fp64

 private:
  int64_t count_ = 0;
  at::Tensor sum_;
  at::Tensor products_;
};

// z' = C^(-1/2)·(z − mean), the symmetric root: of all whitenings the one that moves the latents
// least. quant_conv gives z' as its means and 2·log(std) as every log-variance; post_quant_conv
// takes z'. `weights` are the autoencoder's by name, each beginning with `prefix`. Throws where an
// autoencoder lacks these convolutions.
void fold_whitening(const LatentMoments& moments, double std, const std::string& prefix,
                    std::map<std::string, at::Tensor>* weights);

}  // namespace dorabooth
