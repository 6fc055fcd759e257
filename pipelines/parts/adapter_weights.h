// An adapter's layers over the weights of a base on disk, one at a time.
#pragma once

#include <memory>

#include "src/adapter/adapter_contents.h"
#include "src/model/checkpoint.h"

namespace dorabooth {

// The base's weight of a module ("unet.….to_q"), fp32 on the CPU.
at::Tensor base_weight(const Checkpoint& base, const std::string& module);
// The same for reading adapters; `base` outlives it.
BaseWeights weights_of(const Checkpoint& base);

// A parameter of the base ("unet.conv_in.bias") and the type that it is stored in.
struct StoredParameter {
  at::Tensor numbers;  // fp32 on the CPU
  DType dtype = DType::kF32;
};
StoredParameter stored_parameter(const Checkpoint& base, const std::string& parameter);

// One module of an adapter over its weight.
class AdaptedWeight {
 public:
  AdaptedWeight(const AdapterFile& adapter, const std::string& module, const at::Tensor& weight);

  // W' at a strength under a rule.
  at::Tensor merged(double strength = 1.0, StrengthRule rule = StrengthRule::kPeft);

 private:
  std::string module_;
  std::shared_ptr<nn::Linear> layer_;
  AdapterSet set_;
};

// What an adapter makes of the weight of a module that it changes.
at::Tensor changed_weight(const AdapterContents& adapter, const std::string& module,
                          const at::Tensor& weight, double strength = 1.0,
                          StrengthRule rule = StrengthRule::kPeft);
// Whether it changes that weight.
bool changes_weight(const AdapterContents& adapter, const std::string& module);

}  // namespace dorabooth
