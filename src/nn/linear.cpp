// One slot takes the fused path of its adapter; several add their differences from the base
// product.
#include "src/nn/linear.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "src/base/error.h"
#include "src/ops/deferred_weight.h"
#include "src/ops/frozen_linear.h"

namespace dorabooth::nn {

Linear::Linear(int64_t in_features, int64_t out_features, bool bias,
               const at::TensorOptions& options)
    : in_features_(in_features), out_features_(out_features) {
  declare("weight", {out_features, in_features}, options);
  if (bias) declare("bias", {out_features}, options);
  on_assigned();
}

void Linear::on_assigned() {
  const at::Tensor& weight = value("weight");
  if (!placeholder_.defined() || !weight.is_same(placeholder_)) {
    weight_ = std::make_shared<DenseWeight>(weight);
  }
  bias_ = value("bias");
}

void Linear::set_form(const std::shared_ptr<const void>& form) {
  weight_ = std::static_pointer_cast<const FrozenWeight>(form);
  bias_ = value("bias");
}

void Linear::set_weight(std::shared_ptr<const FrozenWeight> weight) {
  if (weight->out_features() != out_features_ || weight->in_features() != in_features_) {
    fail("weight: want ", shape_text({out_features_, in_features_}), ", got ",
         shape_text({weight->out_features(), weight->in_features()}));
  }
  placeholder_ =
      at::empty({out_features_, in_features_}, value("weight").options().device(at::kMeta));
  assign("weight", placeholder_);
  weight_ = std::move(weight);
}

void Linear::restore() {
  if (const auto* deferred = dynamic_cast<const DeferredWeight*>(weight_.get())) {
    assign("weight", deferred->tensor());
  }
}

at::Tensor Linear::forward(const at::Tensor& x) {
  if (slots_.empty()) {
    const at::Tensor& weight = value("weight");
    const bool trains = weight.requires_grad() || (bias_.defined() && bias_.requires_grad());
    if (trains) return at::linear(x, weight, bias_);
    return frozen_linear(x, weight_, bias_);
  }
  if (slots_.size() == 1) return slots_[0]->forward(x, weight_, bias_, {});
  const at::Tensor product = frozen_linear(x, weight_, {});
  at::Tensor y = product;
  if (bias_.defined()) {
    // The same bits as without adapters: half precision rounds product and bias together.
    const bool fp32 = x.scalar_type() == at::kFloat;
    y = fp32 ? product + bias_ : frozen_linear(x, weight_, bias_);
  }
  for (LinearAdapter* slot : slots_) y = y + (slot->forward(x, weight_, {}, product) - product);
  return y;
}

bool Linear::takes_product() const { return !bias_.defined() && !value("weight").requires_grad(); }

at::Tensor Linear::forward(const at::Tensor& x, const at::Tensor& product) {
  if (slots_.size() == 1) return slots_[0]->forward(x, weight_, {}, product);
  at::Tensor y = product;
  for (LinearAdapter* slot : slots_) y = y + (slot->forward(x, weight_, {}, product) - product);
  return y;
}

void Linear::attach(LinearAdapter* adapter) { slots_.push_back(adapter); }

void Linear::detach(LinearAdapter* adapter) {
  const auto found = std::find(slots_.begin(), slots_.end(), adapter);
  if (found != slots_.end()) slots_.erase(found);
}

namespace {

// All layers as one call of the adapter core takes them, or fewer than there are.
std::vector<AdaptedLayer> adapted(const std::vector<Linear*>& layers,
                                  const std::vector<at::Tensor>& products) {
  std::vector<AdaptedLayer> result;
  for (size_t i = 0; i < layers.size(); ++i) {
    const Linear& layer = *layers[i];
    if (layer.slots().size() != 1) break;
    const at::Tensor product = products.empty() ? at::Tensor() : products[i];
    auto part = layer.slots()[0]->together(layer.weight(), layer.bias(), product);
    if (!part) break;
    result.push_back(std::move(*part));
  }
  return result;
}

}  // namespace

std::vector<at::Tensor> project(const at::Tensor& x, const std::vector<Linear*>& layers,
                                const std::vector<at::Tensor>& products) {
  if (layers.size() > 1) {
    const std::vector<AdaptedLayer> together = adapted(layers, products);
    if (together.size() == layers.size()) return adapted_linears(x, together);
  }
  std::vector<at::Tensor> outputs;
  outputs.reserve(layers.size());
  for (size_t i = 0; i < layers.size(); ++i) {
    outputs.push_back(products.empty() ? layers[i]->forward(x)
                                       : layers[i]->forward(x, products[i]));
  }
  return outputs;
}

}  // namespace dorabooth::nn
