// DoRA (Liu et al. 2024): W' = m · (W + s·B·A)/‖W + s·B·A‖, eq. 5; the norm a constant for the
// gradient (eq. 11) or differentiated (eq. 6); one magnitude per output feature, or per input
// feature.
#include <ATen/ATen.h>

#include <cmath>

#include "src/adapter/low_rank.h"
#include "src/ops/frozen_linear.h"

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
    const at::Tensor base = product.defined() ? product : frozen_linear(x, weight, {});
    const at::Tensor y = base + blend() * (directed(x, {weight, {}, base}) - base);
    return bias.defined() ? y + bias : y;
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
    if (full_gradient_) return composed(x, layer, gain_of(row_norm_with_gradient(*layer.weight)));
    const DoraNorm& norm = row_norm(*layer.weight);
    if (!drops()) {
      return dora_linear(x, layer, a(), b(), tensors_.m, norm, scale(), core());
    }
    return composed(x, layer, gain_of(norm.norm));
  }

  // m / norm; a zero norm leaves its row or column as it is.
  at::Tensor gain_of(const at::Tensor& norm) const {
    const at::Tensor usable = norm > (full_gradient_ ? 2 * std::sqrt(kSmallestSquare) : 0.0);
    const at::Tensor ones = at::ones_like(norm);
    return at::where(usable, tensors_.m / at::where(usable, norm, ones), ones);
  }

  // y = Wx + (g−1)·Wx̃ + g·s·B·A·x̃ + b, x̃ = x with dropout: PEFT's form, every term differentiable.
  at::Tensor composed(const at::Tensor& x, const FrozenLayer& layer, const at::Tensor& gain) {
    const auto dtype = x.scalar_type();
    const at::Tensor input = drops() ? dropped(x) : x;
    // In half precision the base rounds product and bias together; the bits with B = 0 are its.
    const bool with_bias = dtype != at::kFloat && layer.bias.defined() && !layer.product.defined();
    const at::Tensor base =
        layer.product.defined()
            ? layer.product
            : frozen_linear(x, layer.weight, with_bias ? layer.bias : at::Tensor());
    const at::Tensor again = drops()     ? frozen_linear(input, layer.weight, {})
                             : with_bias ? base.to(at::kFloat) - layer.bias.to(at::kFloat)
                                         : base;
    const at::Tensor u = at::matmul(input, a().to(dtype).t());
    const at::Tensor update = at::matmul(u, b().to(dtype).t()) * scale();
    const at::Tensor y = base + ((gain - 1) * again + gain * update).to(dtype);
    return layer.bias.defined() && !with_bias ? y + layer.bias : y;
  }

  // W' = V·diag(m/‖V‖ by columns), so W'x = V·(x∘g).
  at::Tensor input_axis(const at::Tensor& x, const FrozenLayer& layer) {
    const at::Tensor norm =
        full_gradient_ ? column_norm_with_gradient(*layer.weight) : column_norm(*layer.weight);
    const at::Tensor input = ((drops() ? dropped(x) : x) * gain_of(norm)).to(x.scalar_type());
    return lora_linear(input, {layer.weight, layer.bias, {}}, a(), b(), scale(), core());
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

  // ‖W‖² + 2s·rowsum((W·Aᵀ)∘B) + s²·rowsum((B·A·Aᵀ)∘B), differentiable in A and B.
  at::Tensor row_norm_with_gradient(const FrozenWeight& weight) {
    const at::Tensor w = weight.rows(0, weight.out_features());
    const at::Tensor cross = (at::matmul(w, a().t()) * b()).sum(1);
    const at::Tensor square = (b().matmul(a().matmul(a().t())) * b()).sum(1);
    const at::Tensor n2 = weight.row_norm2() + 2 * scale() * cross + scale() * scale() * square;
    return exact_root(n2.clamp_min(kSmallestSquare));
  }

  // The same by columns: 2s·colsum(A∘(Bᵀ·W)) and s²·colsum(A∘(BᵀB·A)).
  at::Tensor column_norm_with_gradient(const FrozenWeight& weight) {
    const at::Tensor w = weight.rows(0, weight.out_features());
    const at::Tensor cross = (a() * at::matmul(b().t(), w)).sum(0);
    const at::Tensor square = (a() * b().t().matmul(b()).matmul(a())).sum(0);
    const at::Tensor n2 = weight.column_norm2() + 2 * scale() * cross + scale() * scale() * square;
    return exact_root(n2.clamp_min(kSmallestSquare));
  }

  // LibTorch's square roots of fp32 are not correctly rounded; where B is zero, m / norm must be 1.
  static at::Tensor exact_root(const at::Tensor& square) {
    return square.to(at::kDouble).sqrt().to(at::kFloat);
  }

  static constexpr double kSmallestSquare = 1e-30;  // keeps a zero row's quotient finite

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
