// The weight of a frozen convolution on a CPU, in the order that oneDNN's kernels read: without it
// every call rearranges the whole weight first, which at small pictures takes as long as the
// convolution.
#pragma once

#include <torch/custom_class.h>

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace dorabooth::nn {

// A square window of `size`, moved by `stride` over an input padded by `padding` on every side.
struct Window {
  int64_t size = 3;
  int64_t stride = 1;
  int64_t padding = 1;
};

// Packed for the sizes of a call where its output is small enough for that to pay, and anew for
// other sizes; the packed form replaces the plain one. The form is a function of the sizes alone:
// bits do not depend on which calls came before.
class ConvolutionWeight : public torch::CustomClassHolder {
 public:
  // weight [out, in, size, size], channels_last for speed. `widens`: computes in fp32, the weight
  // converted at each call and never packed, with one rounding of the result.
  ConvolutionWeight(at::Tensor weight, const Window& window, bool widens);
  // That where the CPU cannot multiply the weight's type (ops/dense_product.h).
  ConvolutionWeight(at::Tensor weight, const Window& window);

  // Whether x [batch, in, h, w] goes this way.
  static bool serves(const at::Tensor& x, const at::Tensor& weight);

  // -> [batch, out, h', w'], channels_last; no graph is recorded.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& bias);
  // dy like forward's result -> the gradient of x, of the given sizes: a transposed convolution.
  at::Tensor backward(const at::Tensor& dy, at::IntArrayRef x_sizes);

  bool is_packed() const { return forward_.value.defined(); }
  // The weight itself, bit for bit; a copy where it is packed.
  at::Tensor plain() const;

 private:
  struct Packed {
    at::Tensor value;
    std::vector<int64_t> sizes;  // of what it is multiplied with
  };

  bool packs_for(at::IntArrayRef output_sizes) const;
  const at::Tensor& for_forward(at::IntArrayRef x_sizes, at::IntArrayRef output_sizes);
  const at::Tensor& for_backward(at::IntArrayRef dy_sizes, at::IntArrayRef output_padding);
  const at::Tensor& unpacked();

  Window window_;
  bool widens_;
  size_t bytes_;
  bool is_fp32_;
  at::Tensor plain_;  // undefined where packed
  Packed forward_;
  Packed backward_;
};

// How convolutions are computed on this machine, beside dense_product_rule().
std::string convolution_rule();

}  // namespace dorabooth::nn
