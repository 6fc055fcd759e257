// oneDNN through the dispatcher. at::conv2d takes im2col and MKL for small inputs of one row, and
// its gradient too; these operators never do.
#include "src/nn/convolution_weight.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <vector>

#include "src/base/error.h"

namespace dorabooth::nn {

namespace {

// Output pixels of a batch up to which a weight is packed. Rearranging costs about as much as
// computing 100 pixels in fp32 and 60 in bf16 (a third and a half of a call at 8x8), five times
// that where the weight outgrows the caches; beyond 32x32 it is under 4 %.
constexpr int64_t kMostPackedPixels = 1024;

using Lengths = c10::SymIntArrayRef;
using Scalars = c10::List<std::optional<at::Scalar>>;
using Algorithm = std::optional<std::string_view>;
using Convolution = at::Tensor(const at::Tensor&, const at::Tensor&,
                               const std::optional<at::Tensor>&, Lengths padding, Lengths stride,
                               Lengths dilation, c10::SymInt groups, std::string_view, Scalars,
                               Algorithm);
using Transposed = at::Tensor(const at::Tensor&, const at::Tensor&,
                              const std::optional<at::Tensor>&, Lengths padding,
                              Lengths output_padding, Lengths stride, Lengths dilation,
                              c10::SymInt groups, std::string_view, Scalars, Algorithm);
using PackTransposed = at::Tensor(const at::Tensor&, Lengths padding, Lengths output_padding,
                                  Lengths stride, Lengths dilation, c10::SymInt groups,
                                  at::OptionalSymIntArrayRef input_size);

template <typename Signature>
auto onednn(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

// Both axes alike.
class Both {
 public:
  explicit Both(int64_t length) : lengths_{length, length} {}
  operator Lengths() const { return Lengths(lengths_, 2); }

 private:
  c10::SymInt lengths_[2];
};

bool pays(at::IntArrayRef output_sizes) {
  return output_sizes[0] * output_sizes[2] * output_sizes[3] <= kMostPackedPixels;
}

bool onednn_serves(at::ScalarType type) {
  const at::Context& context = at::globalContext();
  if (!context.hasMKLDNN() || !context.userEnabledMkldnn()) return false;
  if (type == at::kFloat) return true;
  static const bool computes_bf16 = __builtin_cpu_supports("avx512bw") != 0 &&
                                    __builtin_cpu_supports("avx512vl") != 0 &&
                                    __builtin_cpu_supports("avx512dq") != 0;
  return type == at::kBFloat16 && computes_bf16;
}

}  // namespace

ConvolutionWeight::ConvolutionWeight(at::Tensor weight, const Window& window)
    : window_(window), plain_(std::move(weight)) {}

bool ConvolutionWeight::serves(const at::Tensor& x, const at::Tensor& weight) {
  return x.is_cpu() && x.numel() > 0 && x.scalar_type() == weight.scalar_type() &&
         onednn_serves(x.scalar_type());
}

at::Tensor ConvolutionWeight::plain() const {
  return plain_.defined() ? plain_ : forward_.to_dense();
}

const at::Tensor& ConvolutionWeight::loose() {
  if (!plain_.is_contiguous(at::MemoryFormat::ChannelsLast)) {
    plain_ = plain_.contiguous(at::MemoryFormat::ChannelsLast);
  }
  return plain_;
}

void ConvolutionWeight::pack_forward(at::IntArrayRef x_sizes) {
  const int64_t padding[] = {window_.padding, window_.padding};
  const int64_t stride[] = {window_.stride, window_.stride};
  forward_ = at::mkldnn_reorder_conv2d_weight(plain_.to_mkldnn(), padding, stride, /*dilation=*/1,
                                              /*groups=*/1, x_sizes);
  plain_ = at::Tensor();
}

void ConvolutionWeight::pack_backward(at::IntArrayRef dy_sizes, at::IntArrayRef output_padding) {
  static const auto pack = onednn<PackTransposed>("mkldnn::_reorder_convolution_transpose_weight");
  backward_ = pack.call(plain(), Both(window_.padding), c10::fromIntArrayRefSlow(output_padding),
                        Both(window_.stride), Both(1),
                        /*groups=*/1, c10::fromIntArrayRefSlow(dy_sizes));
}

at::Tensor ConvolutionWeight::forward(const at::Tensor& x, const at::Tensor& bias) {
  static const auto convolve = onednn<Convolution>("mkldnn::_convolution_pointwise");
  const at::NoGradGuard no_grad;
  const auto moves = [&](int64_t length) {
    return (length + 2 * window_.padding - window_.size) / window_.stride + 1;
  };
  const int64_t output_sizes[] = {x.size(0), 0, moves(x.size(2)), moves(x.size(3))};
  if (!forward_.defined() && pays(output_sizes)) pack_forward(x.sizes());
  return convolve.call(x, forward_.defined() ? forward_ : loose(), bias, Both(window_.padding),
                       Both(window_.stride), Both(1), /*groups=*/1, "none", Scalars(), "");
}

at::Tensor ConvolutionWeight::backward(const at::Tensor& dy, at::IntArrayRef x_sizes) {
  static const auto convolve = onednn<Transposed>("mkldnn::_convolution_transpose_pointwise");
  const at::NoGradGuard no_grad;
  const auto missed = [&](size_t axis) {
    const int64_t moves = dy.size(static_cast<int64_t>(axis)) - 1;
    return x_sizes[axis] + 2 * window_.padding - window_.size - moves * window_.stride;
  };
  const int64_t output_padding[] = {missed(2), missed(3)};
  const bool packs = pays(dy.sizes()) || !plain_.defined();
  if (!backward_.defined() && packs) pack_backward(dy.sizes(), output_padding);
  return convolve.call(dy, backward_.defined() ? backward_ : loose(), std::nullopt,
                       Both(window_.padding), c10::fromIntArrayRefSlow(output_padding),
                       Both(window_.stride), Both(1), /*groups=*/1, "none", Scalars(), "");
}

std::string convolution_rule() {
  const auto way = [](at::ScalarType type) {
    return onednn_serves(type) ? concat("oneDNN, packed up to ", kMostPackedPixels, " pixels")
                               : std::string("at::conv2d");
  };
  return concat("fp32: ", way(at::kFloat), "; bf16: ", way(at::kBFloat16));
}

}  // namespace dorabooth::nn
