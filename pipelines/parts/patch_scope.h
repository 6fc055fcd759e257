// Weight patches in the parameters of a loaded model, for as long as a scope lives.
#pragma once

#include <memory>
#include <vector>

#include "src/adapter/adapter_file.h"
#include "src/adapter/reading_options.h"
#include "src/adapter/weight_patch.h"
#include "src/model/bundle.h"
#include "src/nn/layer.h"

namespace dorabooth {

// The parameters of UNet and text encoders as they stand in the loaded models.
ParameterShapes bundle_shapes(const SdxlBundle& bundle);
// Their weights for reading adapters, dequantised where they are; `bundle` outlives it.
BaseWeights weights_of(const SdxlBundle& bundle);

struct AppliedPatch {
  const WeightPatch* patch = nullptr;
  double strength = 1.0;
};

// Puts the patched numbers in the place of the model's, and the model's own back when it ends: they
// are kept meanwhile. Patches of one parameter add their differences from it. Adapters in slots
// then work over the patched weight; what they keep of the weight must be told to them again.
class PatchScope {
 public:
  PatchScope() = default;
  PatchScope(const SdxlBundle& bundle, const std::vector<AppliedPatch>& patches, StrengthRule rule);
  PatchScope(PatchScope&& other) noexcept;
  PatchScope& operator=(PatchScope&& other) noexcept;
  ~PatchScope();

 private:
  struct Kept {
    nn::Layer* layer = nullptr;
    std::string name;
    at::Tensor value;
    std::shared_ptr<const FrozenWeight> weight;  // of a matrix that is not stored as one
  };
  void apply(nn::Layer& layer, const std::string& name, const std::vector<AppliedPatch>& patches,
             StrengthRule rule);
  void put_back() noexcept;

  std::vector<Kept> kept_;
};

}  // namespace dorabooth
