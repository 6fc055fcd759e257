// DoRA (Liu et al. 2024): W' = m · (W + s·B·A)/‖W + s·B·A‖, eq. 5; the norm a constant for the
// gradient (eq. 11) or differentiated (eq. 6); one magnitude per output feature, or per input
// feature.
#include <ATen/ATen.h>

#include "src/adapter/low_rank.h"
#include "src/ops/frozen_linear.h"
#include "src/ops/norm_gradient.h"

namespace dorabooth {

namespace {

class Dora : public LowRankAdapter {
 public:
  Dora(AdapterTensors tensors, const AdapterSpec& spec, uint64_t dropout_key,
       const AdapterCore& core)
      : LowRankAdapter(std::move(tensors), spec, dropout_key, core),
        input_axis_(spec.norm_axis == "input"),
        full_gradient_(spec.norm_gradient == "full" && tensors_.a.size(0) > 0) {
    tensors_.m.requires_grad_(true);
  }

  at::Tensor forward(const at::Tensor& x, const std::shared_ptr<const FrozenWeight>& weight,
                     const at::Tensor& bias, const at::Tensor& product) override {
    if (blend() == 1.0) return directed(x, {weight, bias, product});
    const at::Tensor plain = product.defined() ? product : frozen_linear(x, weight, {});
    const at::Tensor change = blend() * (directed(x, {weight, {}, plain}) - plain);
    // Half precision rounds product and bias together, as the base does.
    if (rounds_together(x, {weight, bias, product})) return frozen_linear(x, weight, bias) + change;
    const at::Tensor y = plain + change;
    return bias.defined() ? y + bias : y;
  }

  std::optional<AdaptedLayer> together(const std::shared_ptr<const FrozenWeight>& weight,
                                       const at::Tensor& bias, const at::Tensor& product) override {
    if (drops() || input_axis_ || blend() != 1.0) return std::nullopt;
    return layer_of({weight, bias, product});
  }

  at::Tensor merged_rows(const FrozenWeight& weight, int64_t first, int64_t last) override {
    at::NoGradGuard no_grad;
    const MergeForm form{input_axis_ ? MagnitudeAxis::kInput : MagnitudeAxis::kOutput, scale(),
                         blend()};
    const at::Tensor norms =
        input_axis_ ? merged_column_norms(weight, a(), b(), scale(), core()) : at::Tensor();
    return merge_rows(weight, a(), b(), tensors_.m, norms, form, first, last, core());
  }

  void on_parameters_changed() override { norm_ = {}; }

 private:
  // W'·x + b.
  at::Tensor directed(const at::Tensor& x, const FrozenLayer& layer) {
    if (input_axis_) return input_axis(x, layer);
    if (!drops()) return adapted_linear(x, layer_of(layer));
    const DoraNorm& norm = row_norm(*layer.weight);
    return with_dropout(x, layer, gain_of(magnitude(norm.norm, layer), norm.norm));
  }

  AdaptedLayer layer_of(const FrozenLayer& layer) {
    const DoraNorm& norm = row_norm(*layer.weight);
    return {layer, a(), b(), magnitude(norm.norm, layer), norm, scale(), &core()};
  }

  // m, for a use as m over a constant norm; with the gradient that the norm brings, where it does.
  at::Tensor magnitude(const at::Tensor& norm, const FrozenLayer& layer) const {
    if (!full_gradient_) return tensors_.m;
    const auto axis = input_axis_ ? MagnitudeAxis::kInput : MagnitudeAxis::kOutput;
    return magnitude_over_norm(tensors_.m, a(), b(), {norm, axis, layer.weight, scale()});
  }

  // m / norm; a zero norm leaves its row or column as it is.
  static at::Tensor gain_of(const at::Tensor& m, const at::Tensor& norm) {
    const at::Tensor usable = norm > 0;
    const at::Tensor ones = at::ones_like(norm);
    return at::where(usable, m / at::where(usable, norm, ones), ones);
  }

  // y = Wx + (g−1)·Wx̃ + g·s·B·A·x̃ + b, x̃ = x with dropout: PEFT's form, every term differentiable.
  at::Tensor with_dropout(const at::Tensor& x, const FrozenLayer& layer, const at::Tensor& gain) {
    const auto dtype = x.scalar_type();
    const at::Tensor input = dropped(x);
    const at::Tensor base = base_of(x, layer);
    const at::Tensor again = frozen_linear(input, layer.weight, {});
    const at::Tensor u = at::matmul(input, a().to(dtype).t());
    const at::Tensor update = at::matmul(u, b().to(dtype).t()) * scale();
    const at::Tensor y = base + ((gain - 1) * again + gain * update).to(dtype);
    return layer.bias.defined() && !rounds_together(x, layer) ? y + layer.bias : y;
  }

  // W' = V·diag(m/‖V‖ by columns), so W'x = V·(x∘g).
  at::Tensor input_axis(const at::Tensor& x, const FrozenLayer& layer) {
    const at::Tensor& norm = column_norm(*layer.weight);
    const at::Tensor gain = gain_of(magnitude(norm, layer), norm);
    const at::Tensor input = ((drops() ? dropped(x) : x) * gain).to(x.scalar_type());
    return adapted_linear(input,
                          {{layer.weight, layer.bias, {}}, a(), b(), {}, {}, scale(), &core()});
  }

  const DoraNorm& row_norm(const FrozenWeight& weight) {
    if (!norm_.norm.defined() || norm_version_ != weight.version()) {
      norm_ = dora_row_norm(weight, a(), b(), tensors_.m, scale(), core());
      norm_version_ = weight.version();
    }
    return norm_;
  }

  const at::Tensor& column_norm(const FrozenWeight& weight) {
    if (!norm_.norm.defined() || norm_version_ != weight.version()) {
      norm_.norm = merged_column_norms(weight, a(), b(), scale(), core());
      norm_version_ = weight.version();
    }
    return norm_.norm;
  }

  bool input_axis_;
  bool full_gradient_;
  DoraNorm norm_;  // of the present parameters; emptied when they change
  uint64_t norm_version_ = 0;
};

}  // namespace

std::unique_ptr<LowRankAdapter> make_dora(AdapterTensors tensors, const AdapterSpec& spec,
                                          uint64_t dropout_key, const AdapterCore& core) {
  return std::make_unique<Dora>(std::move(tensors), spec, dropout_key, core);
}

}  // namespace dorabooth
