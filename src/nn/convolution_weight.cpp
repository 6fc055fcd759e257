// oneDNN through the dispatcher. at::conv2d takes im2col and MKL for small inputs of one row, and
// its gradient too; these operators never do.
#include "src/nn/convolution_weight.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <vector>

#include "src/base/error.h"
#include "src/ops/dense_product.h"

namespace dorabooth::nn {

namespace {

// Output pixels of a batch up to which a weight is packed. Rearranging costs about as much as
// computing 30 pixels in fp32 and 60 in bf16 (a third and a half of a call at 8x8), several times
// that where the weight outgrows the caches; beyond 32x32 it is under 4 %.
constexpr int64_t kMostPackedPixels = 1024;
// A weight that trains through has two packed forms. In fp32, where smaller ones gain little, only
// weights from this size are worth the second one's memory.
constexpr size_t kLeastPackedBytesOfFp32 = size_t{3} << 20;

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

at::Tensor by_pixels(const at::Tensor& x) { return x.contiguous(at::MemoryFormat::ChannelsLast); }

bool has_onednn() {
  const at::Context& context = at::globalContext();
  return context.hasMKLDNN() && context.userEnabledMkldnn();
}

bool is_half(at::ScalarType type) { return type == at::kBFloat16 || type == at::kHalf; }

// Halves that the CPU cannot multiply are widened. fp16 that it can is LibTorch's.
bool onednn_serves(at::ScalarType type) {
  if (!has_onednn()) return false;
  return type == at::kFloat || type == at::kBFloat16 || (is_half(type) && !cpu_multiplies(type));
}

}  // namespace

ConvolutionWeight::ConvolutionWeight(at::Tensor weight, const Window& window)
    : ConvolutionWeight(weight, window,
                        is_half(weight.scalar_type()) && !cpu_multiplies(weight.scalar_type())) {}

ConvolutionWeight::ConvolutionWeight(at::Tensor weight, const Window& window, bool widens)
    : window_(window),
      widens_(widens),
      bytes_(weight.nbytes()),
      is_fp32_(weight.scalar_type() == at::kFloat),
      plain_(std::move(weight)) {}

bool ConvolutionWeight::serves(const at::Tensor& x, const at::Tensor& weight) {
  return x.is_cpu() && x.numel() > 0 && x.scalar_type() == weight.scalar_type() &&
         onednn_serves(x.scalar_type());
}

bool ConvolutionWeight::packs_for(at::IntArrayRef output_sizes) const {
  return output_sizes[0] * output_sizes[2] * output_sizes[3] <= kMostPackedPixels &&
         (!is_fp32_ || bytes_ >= kLeastPackedBytesOfFp32);
}

at::Tensor ConvolutionWeight::plain() const {
  return plain_.defined() ? plain_ : forward_.value.to_dense();
}

const at::Tensor& ConvolutionWeight::unpacked() {
  if (!plain_.defined()) {
    plain_ = plain().contiguous(at::MemoryFormat::ChannelsLast);
    forward_ = {};
    backward_ = {};
  }
  return plain_;
}

const at::Tensor& ConvolutionWeight::for_forward(at::IntArrayRef x_sizes,
                                                 at::IntArrayRef output_sizes) {
  if (!packs_for(output_sizes)) return unpacked();
  if (!forward_.value.defined() || x_sizes != at::IntArrayRef(forward_.sizes)) {
    const int64_t padding[] = {window_.padding, window_.padding};
    const int64_t stride[] = {window_.stride, window_.stride};
    forward_ = {at::mkldnn_reorder_conv2d_weight(plain().to_mkldnn(), padding, stride,
                                                 /*dilation=*/1, /*groups=*/1, x_sizes),
                x_sizes.vec()};
    plain_ = at::Tensor();
  }
  return forward_.value;
}

const at::Tensor& ConvolutionWeight::for_backward(at::IntArrayRef dy_sizes,
                                                  at::IntArrayRef output_padding) {
  static const auto pack = onednn<PackTransposed>("mkldnn::_reorder_convolution_transpose_weight");
  if (!packs_for(dy_sizes)) return unpacked();
  if (!backward_.value.defined() || dy_sizes != at::IntArrayRef(backward_.sizes)) {
    backward_ = {
        pack.call(plain(), Both(window_.padding), c10::fromIntArrayRefSlow(output_padding),
                  Both(window_.stride), Both(1), /*groups=*/1, c10::fromIntArrayRefSlow(dy_sizes)),
        dy_sizes.vec()};
  }
  return backward_.value;
}

at::Tensor ConvolutionWeight::forward(const at::Tensor& x, const at::Tensor& bias) {
  static const auto convolve = onednn<Convolution>("mkldnn::_convolution_pointwise");
  const at::NoGradGuard no_grad;
  const auto moves = [&](int64_t length) {
    return (length + 2 * window_.padding - window_.size) / window_.stride + 1;
  };
  const int64_t output_sizes[] = {x.size(0), 0, moves(x.size(2)), moves(x.size(3))};
  const at::ScalarType type = widens_ ? at::kFloat : x.scalar_type();
  const at::Tensor weight = widens_ ? plain_.to(at::kFloat) : for_forward(x.sizes(), output_sizes);
  return convolve
      .call(by_pixels(x).to(type), weight, bias.defined() ? bias.to(type) : bias,
            Both(window_.padding), Both(window_.stride), Both(1), /*groups=*/1, "none", Scalars(),
            "")
      .to(x.scalar_type())
      .contiguous(at::MemoryFormat::ChannelsLast);  // one channel has both formats
}

at::Tensor ConvolutionWeight::backward(const at::Tensor& dy, at::IntArrayRef x_sizes) {
  static const auto convolve = onednn<Transposed>("mkldnn::_convolution_transpose_pointwise");
  const at::NoGradGuard no_grad;
  const auto missed = [&](size_t axis) {
    const int64_t moves = dy.size(static_cast<int64_t>(axis)) - 1;
    return x_sizes[axis] + 2 * window_.padding - window_.size - moves * window_.stride;
  };
  const int64_t output_padding[] = {missed(2), missed(3)};
  const at::ScalarType type = widens_ ? at::kFloat : dy.scalar_type();
  const at::Tensor weight =
      widens_ ? plain_.to(at::kFloat) : for_backward(dy.sizes(), output_padding);
  return convolve
      .call(by_pixels(dy).to(type), weight, std::nullopt, Both(window_.padding),
            c10::fromIntArrayRefSlow(output_padding), Both(window_.stride), Both(1), /*groups=*/1,
            "none", Scalars(), "")
      .to(dy.scalar_type());
}

std::string convolution_rule() {
  const auto way = [](at::ScalarType type, const char* packed) {
    if (!onednn_serves(type)) return std::string("at::conv2d");
    if (!cpu_multiplies(type)) return std::string("oneDNN in fp32");
    return concat("oneDNN, ", packed, " packed up to ", kMostPackedPixels, " pixels");
  };
  return concat("fp32: ", way(at::kFloat, "weights from 3 MiB"),
                "; bf16: ", way(at::kBFloat16, "weights"), "; fp16: ", way(at::kHalf, "weights"));
}

}  // namespace dorabooth::nn
