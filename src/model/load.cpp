// The check is by name and shape, both ways, before any byte is read.
#include "src/model/load.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <unordered_set>

#include "src/base/error.h"
#include "src/device/adapter_core_choice.h"
#include "src/model/stored_reading.h"
#include "src/nn/layer.h"
#include "src/nn/linear.h"
#include "src/ops/deferred_weight.h"
#include "src/ops/large_pages.h"
#include "src/ops/tensor_bytes.h"
#include "src/quant/quantized_weight.h"

namespace dorabooth {

namespace {

constexpr size_t kShownNames = 4;

std::string listed(const std::vector<std::string>& names, const char* what) {
  if (names.empty()) return "";
  std::string text = concat("; ", names.size(), " ", what, ": ");
  const size_t shown = std::min(names.size(), kShownNames);
  for (size_t i = 0; i < shown; ++i) text += (i ? ", " : "") + names[i];
  return names.size() > shown ? text + ", …" : text;
}

void check_both_ways(const std::vector<nn::LayerParameter>& parameters, const Weights& weights) {
  std::vector<std::string> missing;
  std::vector<std::string> mis_shaped;
  std::vector<std::string> left_over;
  std::unordered_set<std::string> wanted;
  for (const nn::LayerParameter& parameter : parameters) {
    wanted.insert(parameter.full_name);
    const StoredTensor* stored = weights.find(parameter.full_name);
    if (!stored) {
      missing.push_back(parameter.full_name);
    } else if (parameter.value.sizes() != at::IntArrayRef(stored->shape)) {
      mis_shaped.push_back(concat(parameter.full_name, " (want ",
                                  shape_text(parameter.value.sizes().vec()), ", got ",
                                  shape_text(stored->shape), ")"));
    }
  }
  for (const StoredTensor& stored : weights.stored()) {
    if (!wanted.contains(stored.name)) left_over.push_back(stored.name);
  }
  if (missing.empty() && mis_shaped.empty() && left_over.empty()) return;
  fail(weights.where(), " does not fit its config", listed(missing, "missing"),
       listed(left_over, "left over"), listed(mis_shaped, "mis-shaped"));
}

// Convolutions with a window are reordered when they are assigned (nn/conv2d.h): the mapped pages
// would be read once and stay as dead weight.
bool is_window(const std::vector<int64_t>& shape) {
  return shape.size() == 4 && shape[2] * shape[3] > 1;
}

// A copy for a model that computes on the CPU. Weights with a window leave their memory for a
// packed form at the first call, so that they have memory of their own; in the order in which they
// stay.
at::Tensor placed(const Weights& weights, const StoredTensor& stored, at::ScalarType dtype,
                  LargePages& pages) {
  if (stored.change.kind == KeyChange::kTranspose) {
    return weights.copy(stored.name, dtype, at::kCPU);
  }
  if (!is_window(stored.shape)) {
    at::Tensor tensor = pages.empty(stored.shape, dtype);
    read_stored(stored, tensor);
    return tensor;
  }
  at::Tensor tensor = at::empty(stored.shape, dtype, at::MemoryFormat::ChannelsLast);
  advise_large_pages(tensor);
  return tensor.copy_(weights.copy(stored.name, dtype, at::kCPU));
}

// The matrix of a linear layer that is converted where it is used; null for other parameters.
nn::Linear* deferred_layer(const nn::LayerParameter& parameter, const StoredTensor& stored) {
  if (parameter.name != "weight" || stored.shape.size() != 2 || parameter.value.numel() == 0 ||
      stored.change.kind == KeyChange::kTranspose) {
    return nullptr;
  }
  return dynamic_cast<nn::Linear*>(parameter.layer);
}

// The matrices of the transformer blocks, with the projections around them: nearly all of an SDXL
// base that is no convolution. Norms, biases, embeddings and the resnets' stay as they are.
nn::Linear* quantized_layer(const nn::LayerParameter& parameter) {
  const std::string& name = parameter.full_name;
  const bool in_block = name.find("attentions.") != std::string::npos ||
                        name.find("encoder.layers.") != std::string::npos;
  if (!in_block || parameter.name != "weight") return nullptr;
  return dynamic_cast<nn::Linear*>(parameter.layer);
}

}  // namespace

void load_weights(torch::nn::Module& module, const Weights& weights, const LoadTarget& target) {
  const std::vector<nn::LayerParameter> parameters = nn::layer_parameters(module);
  check_both_ways(parameters, weights);
  LargePages pages;
  const auto memory = std::make_shared<DeferredMemory>();
  for (const nn::LayerParameter& parameter : parameters) {
    const StoredTensor& stored = weights.at(parameter.full_name);
    const bool dense = target.storage == WeightStorage::kDense;
    if (nn::Linear* linear = dense ? nullptr : quantized_layer(parameter)) {
      linear->set_weight(quantized(weights.copy(stored.name, target.dtype, target.device),
                                   target.storage, adapter_core(target.device)));
      continue;
    }
    const bool in_place = target.in_place && target.device.is_cpu();
    const bool mapped =
        in_place && !is_window(stored.shape) && scalar_type(stored.entry->dtype) == target.dtype;
    nn::Linear* const deferred = in_place && !mapped ? deferred_layer(parameter, stored) : nullptr;
    if (deferred) {
      const auto read = [stored](int64_t first, const at::Tensor& rows) {
        read_stored_rows(stored, first, rows);
      };
      deferred->set_weight(std::make_shared<DeferredWeight>(stored.shape[0], stored.shape[1],
                                                            target.dtype, read, memory));
      continue;
    }
    at::Tensor value;
    if (mapped) {
      value = weights.tensor(stored.name);
    } else if (target.device.is_cpu()) {
      value = placed(weights, stored, target.dtype, pages);
    } else {
      value = weights.copy(stored.name, target.dtype, target.device);
    }
    parameter.layer->assign(parameter.name, std::move(value));
  }
}

}  // namespace dorabooth
