// Squares are summed along a row in fp32 and over rows, layers and blocks in fp64. Sums stay on the
// device until all layers are done, so that a GPU is waited for once a block of the model.
#include "pipelines/parts/adapter_meter.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cctype>
#include <cmath>

namespace dorabooth {

namespace {

constexpr int64_t kLeastRows = 64;

// Numbers of a layer that are taken at once: on a CPU what stays in its cache; on a GPU few
// launches count for more. A merge over the input axis takes the norms of all columns each time.
int64_t numbers_at_once(bool on_cpu, bool input_axis) {
  return on_cpu && !input_axis ? int64_t{1} << 18 : int64_t{4} << 20;
}

// fp64 scalars on the layers' device.
struct Sums {
  at::Tensor change2;
  at::Tensor weight2;
  at::Tensor drift;
  at::Tensor magnitudes;  // how many went into `drift`
};

void add(at::Tensor& sum, const at::Tensor& value) { sum = sum.defined() ? sum + value : value; }

void add_layer(Sums& sums, Adapter& adapter, const FrozenWeight& weight, bool input_axis) {
  const at::Tensor& norm2 = weight.row_norm2();
  add(sums.weight2, norm2.sum(at::kDouble));
  const int64_t out = weight.out_features();
  const int64_t numbers = numbers_at_once(norm2.is_cpu(), input_axis);
  const int64_t step = std::max(kLeastRows, numbers / weight.in_features());
  for (int64_t first = 0; first < out; first += step) {
    const int64_t last = std::min(first + step, out);
    // The numbers that the merge reads, or rounding would count as a change.
    const at::Tensor before = weight.core_rows(first, last).to(at::kFloat);
    at::Tensor change = adapter.merged_rows(weight, first, last) - before;
    add(sums.change2, change.square_().sum(1).sum(at::kDouble));
  }
}

void add_magnitudes(Sums& sums, const at::Tensor& m, const FrozenWeight& weight, bool input_axis) {
  const at::Tensor norm2 = input_axis ? weight.column_norm2() : weight.row_norm2();
  // As AdapterSet::create starts them: a fresh adapter's drift is 0.
  const at::Tensor start = norm2.to(at::kDouble).sqrt().to(at::kFloat).to(at::kDouble);
  const at::Tensor usable = start > 0;
  const at::Tensor ratio = m.to(at::kDouble) / at::where(usable, start, at::ones_like(start));
  add(sums.drift, at::where(usable, (ratio - 1).abs(), at::zeros_like(ratio)).sum());
  add(sums.magnitudes, usable.sum().to(at::kDouble));
}

BlockDrift drift_of(const Sums& sums) {
  BlockDrift drift;
  const auto weight2 = sums.weight2.item<double>();
  if (weight2 > 0) drift.weight_change = std::sqrt(sums.change2.item<double>() / weight2);
  if (!sums.drift.defined()) return drift;
  const auto count = sums.magnitudes.item<double>();
  drift.magnitude_drift = count > 0 ? sums.drift.item<double>() / count : 0.0;
  return drift;
}

}  // namespace

std::string block_of(const std::string& module) {
  const size_t component = module.find('.');
  if (module.substr(0, component) != "unet" || component == std::string::npos) {
    return module.substr(0, component);
  }
  size_t end = module.find('.', component + 1);
  // "down_blocks.1" and its like have a number.
  if (end != std::string::npos && std::isdigit(static_cast<unsigned char>(module[end + 1]))) {
    end = module.find('.', end + 1);
  }
  return module.substr(0, end);
}

std::map<std::string, BlockDrift> measure_drift(AdapterSet& set, const LinearLayers& layers) {
  const at::NoGradGuard no_grad;
  const bool input_axis = set.spec().norm_axis == "input";
  std::map<std::string, Sums> sums;
  for (const auto& [module, layer] : layers) {
    Adapter* adapter = set.find(module);
    if (!adapter) continue;
    Sums& block = sums[block_of(module)];
    add_layer(block, *adapter, *layer->weight(), input_axis);
    const at::Tensor m = adapter->tensors().m;
    if (m.defined()) add_magnitudes(block, m, *layer->weight(), input_axis);
  }
  std::map<std::string, BlockDrift> drifts;
  for (const auto& [block, sum] : sums) drifts[block] = drift_of(sum);
  return drifts;
}

}  // namespace dorabooth
