// Full fine-tuning beside adapters: weights of the base's own models train as leaves of a run's
// own, and stand in the place of the model's while a scope lives. The model itself is never
// written. Internal to pipelines/train.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pipelines/parts/adapter_meter.h"
#include "src/adapter/weight_patch.h"
#include "src/model/bundle.h"
#include "src/nn/layer.h"

namespace dorabooth {

// The model's own parameters come back when it ends.
class FullWeightScope {
 public:
  FullWeightScope() = default;
  FullWeightScope(FullWeightScope&& other) noexcept;
  FullWeightScope& operator=(FullWeightScope&& other) noexcept;
  ~FullWeightScope() { put_back(); }

 private:
  friend class FullWeights;
  void put_back() noexcept;
  std::vector<std::pair<nn::Layer*, nn::Layer::Kept>> kept_;
};

class FullWeights {
 public:
  // What `spec` targets in `components` of the bundle, whose layers outlive it. The leaves begin as
  // the numbers of `base`, which the bundle was loaded from, in fp32.
  FullWeights(const AdapterSpec& spec, const SdxlBundle& bundle, Checkpoint base,
              const std::vector<Component>& components);

  // The leaves in the models' order, fp32; a convolution's as [out, h, w, in], so that no copy
  // stands between the optimizer's buffer and the products.
  std::vector<AdapterParameter> parameters() const;
  size_t module_count() const;

  // In the model's type; made from the leaves anew each time. Where gradients are recorded they
  // reach the leaves.
  FullWeightScope attach() const;

  // Leaf − base, fp32, one for every parameter, in the roles that LyCORIS and ComfyUI read.
  std::vector<WeightPatch> differences() const;
  // ‖leaf − base‖/‖base‖ over each block's parameters.
  std::map<std::string, BlockDrift> drift() const;

 private:
  struct Trained {
    Component component;
    std::string path;       // in the component
    std::string module;     // "unet.….conv1"
    nn::LayerParameter at;  // its place; the value is not kept
    AdapterRole role;       // of its difference
    at::Tensor leaf;
  };
  // fp32 on the CPU, in the model's layout.
  at::Tensor base_of(const Trained& trained) const;
  at::Tensor value_of(const Trained& trained) const;

  Checkpoint base_;
  at::ScalarType dtype_;
  std::vector<Trained> trained_;
};

}  // namespace dorabooth
