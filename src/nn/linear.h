// The linear layer of every model: a frozen weight, a bias, and slots for adapters. The models
// never say LoRA or DoRA; src/adapter implements LinearAdapter.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "src/nn/layer.h"
#include "src/ops/adapter_linear.h"
#include "src/ops/frozen_weight.h"

namespace dorabooth::nn {

// What sits in a slot of a Linear. Its parameters are not registered in the model.
class LinearAdapter {
 public:
  virtual ~LinearAdapter() = default;

  // The whole layer's output for x [..., in] -> [..., out]: base, adapter and bias (undefined if
  // none). `product` is W·x where the caller has it already (without bias), else undefined.
  virtual at::Tensor forward(const at::Tensor& x, const std::shared_ptr<const FrozenWeight>& weight,
                             const at::Tensor& bias, const at::Tensor& product) = 0;
  // What the same takes of this layer when several layers of one input are computed together, or
  // nothing where the adapter wants a layer to itself. `bias` and `product` as above.
  virtual std::optional<AdaptedLayer> together(const std::shared_ptr<const FrozenWeight>&,
                                               const at::Tensor& /*bias*/,
                                               const at::Tensor& /*product*/) {
    return std::nullopt;
  }
  // Rows [first, last) of the merged matrix W', fp32 [last-first, in].
  virtual at::Tensor merged_rows(const FrozenWeight& weight, int64_t first, int64_t last) = 0;
  // Trainable tensors with their names inside the module ("A", "B", "m"), in a fixed order.
  virtual std::vector<std::pair<std::string, at::Tensor>> parameters() = 0;
  // Tells the adapter that an optimizer step, a load or a strength change touched its parameters.
  virtual void on_parameters_changed() = 0;
};

// y = x·Wᵀ + b. Several slots add up: y = Wx + b + sum of each adapter's difference from Wx, as
// PEFT's active adapters do.
class Linear : public Layer {
 public:
  Linear(int64_t in_features, int64_t out_features, bool bias, const at::TensorOptions& options);

  at::Tensor forward(const at::Tensor& x);
  // The same with W·x at hand; only where takes_product() says that it is enough.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& product);
  // Without a bias, which half precision rounds together with the product, and without a gradient
  // of the weight.
  bool takes_product() const;

  const std::shared_ptr<const FrozenWeight>& weight() const { return weight_; }
  // Another storage of the weight; the parameter becomes a shape without memory.
  void set_weight(std::shared_ptr<const FrozenWeight> weight);
  const at::Tensor& bias() const { return bias_; }
  int64_t in_features() const { return in_features_; }
  int64_t out_features() const { return out_features_; }

  // The adapter stays owned by its AdapterSet, whose attach scope removes it again.
  void attach(LinearAdapter* adapter);
  void detach(LinearAdapter* adapter);
  const std::vector<LinearAdapter*>& slots() const { return slots_; }

  // Brings a weight that is still in its file into the parameter; other storages stay.
  void restore() override;

 protected:
  void on_assigned() override;
  std::shared_ptr<const void> form() const override { return weight_; }
  void set_form(const std::shared_ptr<const void>& form) override;

 private:
  int64_t in_features_;
  int64_t out_features_;
  std::shared_ptr<const FrozenWeight> weight_;
  at::Tensor placeholder_;  // the parameter while the weight is stored elsewhere
  at::Tensor bias_;
  std::vector<LinearAdapter*> slots_;
};

// The outputs of several layers that share one input x, their adapters computed together where they
// can be. `products` are W·x of layers that take them, or none.
std::vector<at::Tensor> project(const at::Tensor& x, const std::vector<Linear*>& layers,
                                const std::vector<at::Tensor>& products = {});

}  // namespace dorabooth::nn
