// Fills a model's parameters from a component's tensors.
#pragma once

#include <torch/nn/module.h>

#include "src/model/weights.h"
#include "src/quant/weight_storage.h"

namespace dorabooth {

struct LoadTarget {
  at::ScalarType dtype = at::kFloat;
  at::Device device = at::kCPU;
  // On a CPU, tensors that have this dtype already are used where they lie, in the mapped file:
  // read-only memory; matrices of linear layers that have another are converted when they are used
  // (ops/deferred_weight.h). False for a model that trains itself.
  bool in_place = true;
  // Of the linear weights of the transformer blocks.
  WeightStorage storage = WeightStorage::kDense;
};

// Every parameter under `module` is replaced. Missing, left-over and mis-shaped tensors are one
// error that names the first of them and says how many there are.
void load_weights(torch::nn::Module& module, const Weights& weights, const LoadTarget& target);

}  // namespace dorabooth
