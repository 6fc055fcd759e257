// A 2-D convolution with zero padding (torch.nn.Conv2d: y = W * x + b), frozen unless its weight is
// told to want a gradient.
#pragma once

#include "src/nn/convolution_weight.h"
#include "src/nn/layer.h"

namespace dorabooth::nn {

class Conv2d : public Layer {
 public:
  Conv2d(int64_t in_channels, int64_t out_channels, Window window,
         const at::TensorOptions& options);

  // x [batch, in, h, w]. Any memory format; on a CPU the result is channels_last. Packs a frozen
  // weight where that pays: the parameter is then a shape without memory until
  // layer_parameters() asks for it.
  at::Tensor forward(const at::Tensor& x);

  at::ScalarType dtype() const { return value("weight").scalar_type(); }
  // The weight itself, a copy where it is packed.
  at::Tensor weight() const { return weight_->plain(); }

  void restore() override;

 protected:
  void on_assigned() override;
  std::shared_ptr<const void> form() const override;
  void set_form(const std::shared_ptr<const void>& form) override;

 private:
  struct Form {
    c10::intrusive_ptr<ConvolutionWeight> weight;
    at::Tensor placeholder;
  };
  at::Tensor convolve(const at::Tensor& x, bool records);
  bool has_placeholder() const;

  Window window_;
  c10::intrusive_ptr<ConvolutionWeight> weight_;
  at::Tensor placeholder_;  // the parameter while the weight is packed
  at::Tensor bias_;
};

}  // namespace dorabooth::nn
