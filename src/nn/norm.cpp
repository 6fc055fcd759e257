// Group norms of channels_last pictures on a CPU go to group_norm_pixels.h, everything else
// to LibTorch. Statistics are fp32 or better whatever the dtype.
#include "src/nn/norm.h"

#include <torch/csrc/autograd/custom_function.h>

#include <ATen/ATen.h>

#include "kernels/element.h"
#include "src/base/error.h"
#include "src/nn/group_norm_pixels.h"
#include "src/nn/temporary.h"

namespace dorabooth::nn {

namespace {

bool takes_pixels(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return x.is_cpu() && x.dim() == 4 && x.numel() > 0 && x.size(1) % kGroupNormLanes == 0 &&
         (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16) &&
         x.scalar_type() == weight.scalar_type() && x.scalar_type() == bias.scalar_type() &&
         x.is_contiguous(at::MemoryFormat::ChannelsLast);
}

template <typename Element>
Element* elements(const at::Tensor& x) {
  return static_cast<Element*>(x.data_ptr());
}

struct Normalised {
  at::Tensor y;
  at::Tensor statistics;  // [batch, groups, 2]
};

GroupNormShape shape_of(const at::Tensor& x, int64_t groups, double eps, bool silu) {
  return {.batch = x.size(0),
          .pixels = x.size(2) * x.size(3),
          .channels = x.size(1),
          .groups = groups,
          .eps = eps,
          .silu = silu};
}

Normalised normalise(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                     const GroupNormShape& shape) {
  Normalised result{at::empty_like(x),
                    at::empty({shape.batch, shape.groups, 2}, x.options().dtype(at::kFloat))};
  const at::Tensor w = weight.to(at::kFloat);
  const at::Tensor b = bias.to(at::kFloat);
  const auto run = [&]<typename Element>(Element* y) {
    group_norm_forward(shape, elements<const Element>(x), elements<const float>(w),
                       elements<const float>(b), y, elements<float>(result.statistics));
  };
  if (x.scalar_type() == at::kFloat) {
    run(elements<float>(result.y));
  } else {
    run(elements<BFloat16>(result.y));
  }
  return result;
}

struct PixelGroupNorm : torch::autograd::Function<PixelGroupNorm> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
                            double eps, bool silu) {
    const Normalised result = normalise(x, weight, bias, shape_of(x, groups, eps, silu));
    context->save_for_backward({x, weight, bias});
    context->saved_data["statistics"] = result.statistics;
    context->saved_data["groups"] = groups;
    context->saved_data["eps"] = eps;
    context->saved_data["silu"] = silu;
    return result.y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grad_outputs) {
    const std::vector<at::Tensor> saved = context->get_saved_variables();
    const at::Tensor& x = saved[0];
    const at::Tensor weight = saved[1].to(at::kFloat);
    const at::Tensor bias = saved[2].to(at::kFloat);
    const at::Tensor statistics = context->saved_data["statistics"].toTensor();
    const GroupNormShape shape =
        shape_of(x, context->saved_data["groups"].toInt(), context->saved_data["eps"].toDouble(),
                 context->saved_data["silu"].toBool());
    const at::Tensor dy = grad_outputs[0].contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor dx = at::empty_like(x);
    const at::ScalarType dtype = x.scalar_type();
    const auto wanted = [&](size_t input, const at::Tensor& like) {
      return context->needs_input_grad(input) ? at::empty_like(like) : at::Tensor();
    };
    const at::Tensor dweight = wanted(1, weight);
    const at::Tensor dbias = wanted(2, bias);
    const auto numbers = [](const at::Tensor& tensor) {
      return tensor.defined() ? elements<float>(tensor) : nullptr;
    };
    const auto run = [&]<typename Element>(Element* out) {
      group_norm_backward<Element>(shape, elements<const Element>(dy), elements<const Element>(x),
                                   elements<const float>(weight), elements<const float>(bias),
                                   elements<const float>(statistics),
                                   {out, numbers(dweight), numbers(dbias)});
    };
    if (x.scalar_type() == at::kFloat) {
      run(elements<float>(dx));
    } else {
      run(elements<BFloat16>(dx));
    }
    const auto cast = [&](const at::Tensor& gradient) {
      return gradient.defined() ? gradient.to(dtype) : at::Tensor();
    };
    return {dx, cast(dweight), cast(dbias), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

GroupNorm::GroupNorm(int64_t groups, int64_t channels, double eps, const at::TensorOptions& options)
    : groups_(groups), eps_(eps) {
  if (groups < 1 || channels % groups != 0) {
    fail("group norm: ", channels, " channels do not divide into ", groups, " groups");
  }
  declare("weight", {channels}, options);
  declare("bias", {channels}, options);
}

at::Tensor GroupNorm::apply(const at::Tensor& x, bool silu) const {
  const at::Tensor& weight = value("weight");
  const at::Tensor& bias = value("bias");
  if (!takes_pixels(x, weight, bias)) {
    at::Tensor y = at::group_norm(x, groups_, weight, bias, eps_);
    return silu ? silu_of_temporary(std::move(y)) : y;
  }
  const bool records = x.requires_grad() || weight.requires_grad() || bias.requires_grad();
  if (at::GradMode::is_enabled() && records) {
    return PixelGroupNorm::apply(x, weight, bias, groups_, eps_, silu);
  }
  return normalise(x, weight, bias, shape_of(x, groups_, eps_, silu)).y;
}

LayerNorm::LayerNorm(int64_t features, double eps, const at::TensorOptions& options)
    : features_(features), eps_(eps) {
  declare("weight", {features}, options);
  declare("bias", {features}, options);
}

at::Tensor LayerNorm::forward(const at::Tensor& x) const {
  return at::layer_norm(x, {features_}, value("weight"), value("bias"), eps_);
}

}  // namespace dorabooth::nn
