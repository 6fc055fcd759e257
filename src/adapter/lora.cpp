// LoRA (Hu et al. 2021): W' = W + s·B·A.
#include <ATen/ATen.h>

#include "src/adapter/low_rank.h"

namespace dorabooth {

namespace {

class Lora : public LowRankAdapter {
 public:
  using LowRankAdapter::LowRankAdapter;

  at::Tensor forward(const at::Tensor& x, const std::shared_ptr<const FrozenWeight>& weight,
                     const at::Tensor& bias, const at::Tensor& product) override {
    const double s = scale() * blend();
    if (!drops()) return lora_linear(x, {weight, bias, product}, a(), b(), s, core());
    // The base product sees x, the update sees x with dropout.
    const FrozenLayer layer{weight, bias, product};
    const at::Tensor base = base_of(x, layer);
    const auto dtype = x.scalar_type();
    const at::Tensor u = at::matmul(dropped(x), a().to(dtype).t());
    const at::Tensor y = base + at::matmul(u, b().to(dtype).t()) * s;
    return bias.defined() && !rounds_together(x, layer) ? y + bias : y;
  }

  at::Tensor merged_rows(const FrozenWeight& weight, int64_t first, int64_t last) override {
    const MergeForm form{MagnitudeAxis::kNone, scale() * blend(), 1.0};
    return merge_rows(weight, a(), b(), {}, {}, form, first, last, core());
  }

  void on_parameters_changed() override {}
};

}  // namespace

std::unique_ptr<LowRankAdapter> make_lora(AdapterTensors tensors, const AdapterSpec& spec,
                                          uint64_t dropout_key, const AdapterCore& core) {
  return std::make_unique<Lora>(std::move(tensors), spec, dropout_key, core);
}

}  // namespace dorabooth
