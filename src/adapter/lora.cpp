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
    const FrozenLayer layer{weight, bias, product};
    if (!drops()) return adapted_linear(x, layer_of(layer));
    // The base product sees x, the update sees x with dropout.
    const at::Tensor base = base_of(x, layer);
    const auto dtype = x.scalar_type();
    const at::Tensor u = at::matmul(dropped(x), a().to(dtype).t());
    const at::Tensor y = base + at::matmul(u, b().to(dtype).t()) * (scale() * blend());
    return bias.defined() && !rounds_together(x, layer) ? y + bias : y;
  }

  std::optional<AdaptedLayer> together(const std::shared_ptr<const FrozenWeight>& weight,
                                       const at::Tensor& bias, const at::Tensor& product) override {
    if (drops()) return std::nullopt;
    return layer_of({weight, bias, product});
  }

  at::Tensor merged_rows(const FrozenWeight& weight, int64_t first, int64_t last) override {
    const MergeForm form{MagnitudeAxis::kNone, scale() * blend(), 1.0};
    return merge_rows(weight, a(), b(), {}, {}, form, first, last, core());
  }

  void on_parameters_changed() override {}

 private:
  AdaptedLayer layer_of(const FrozenLayer& layer) const {
    return {layer, a(), b(), {}, {}, scale() * blend(), &core()};
  }
};

}  // namespace

std::unique_ptr<LowRankAdapter> make_lora(AdapterTensors tensors, const AdapterSpec& spec,
                                          uint64_t dropout_key, const AdapterCore& core) {
  return std::make_unique<Lora>(std::move(tensors), spec, dropout_key, core);
}

}  // namespace dorabooth
