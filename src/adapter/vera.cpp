// Names and draws as in peft/tuners/vera.
#include "src/adapter/vera.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>

#include "src/adapter/adapter_keys.h"

namespace dorabooth {

namespace {

at::Tensor kaiming_uniform(int64_t rows, int64_t columns, const at::Generator& generator) {
  const double bound = std::sqrt(3.0) * (std::sqrt(2.0) / std::sqrt(static_cast<double>(columns)));
  return at::empty({rows, columns}, at::kFloat).uniform_(-bound, bound, generator);
}

}  // namespace

VeraProjections draw_vera_projections(int64_t rank, int64_t in, int64_t out, int64_t key) {
  const at::Generator generator = at::detail::createCPUGenerator(static_cast<uint64_t>(key));
  VeraProjections result;
  result.a = kaiming_uniform(rank, in, generator);
  result.b = kaiming_uniform(out, rank, generator);
  return result;
}

std::map<std::string, VeraProjections> vera_projections(const AdapterSpec& spec,
                                                        const LinearLayers& layers) {
  std::map<std::string, std::pair<int64_t, int64_t>> widest;
  for (const auto& [module, layer] : layers) {
    if (!spec.targets(module) || spec.trains_magnitude_only(module)) continue;
    auto& [in, out] = widest[component_of(module)];
    in = std::max(in, layer->in_features());
    out = std::max(out, layer->out_features());
  }
  std::map<std::string, VeraProjections> result;
  for (const auto& [component, size] : widest) {
    result[component] =
        draw_vera_projections(spec.rank, size.first, size.second, spec.projection_prng_key);
  }
  return result;
}

std::map<std::string, AdapterTensors> vera_as_lora(std::map<std::string, AdapterTensors> modules) {
  for (auto& [module, own] : modules) {
    if (!own.vera_d.defined()) continue;
    own.a = own.vera_d.unsqueeze(1) * own.a;
    own.b = own.vera_b.unsqueeze(1) * own.b;
    own.alpha = static_cast<double>(own.a.size(0));
    own.vera_d.reset();
    own.vera_b.reset();
  }
  return modules;
}

}  // namespace dorabooth
