// The most frequent value becomes the default, the others patterns, as diffusers' get_peft_kwargs
// does.
#include "src/adapter/tensor_facts.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "src/adapter/adapter_keys.h"

namespace dorabooth {

namespace {

std::string exact_text(double value) {
  char text[40];
  const auto result = std::to_chars(text, text + sizeof(text), value);
  return std::string(text, result.ptr);
}

template <typename Value>
double most_frequent(const std::map<std::string, AdapterTensors>& modules, Value&& value_of) {
  std::map<double, size_t> counts;
  for (const auto& [module, tensors] : modules) {
    if (tensors.a.size(0) > 0) ++counts[value_of(tensors)];
  }
  if (counts.empty()) return 1.0;
  return std::max_element(
             counts.begin(), counts.end(),
             [](const auto& left, const auto& right) { return left.second < right.second; })
      ->first;
}

template <typename Value>
std::vector<std::string> exceptions(const std::map<std::string, AdapterTensors>& modules,
                                    double usual, Value&& value_of) {
  std::vector<std::string> patterns;
  for (const auto& [module, tensors] : modules) {
    const double value = value_of(tensors);
    if (value != usual && tensors.a.size(0) > 0)
      patterns.push_back(module + "=" + exact_text(value));
  }
  return patterns;
}

}  // namespace

double update_scale(const AdapterTensors& tensors, bool use_rslora) {
  const auto rank = static_cast<double>(tensors.a.size(0));
  if (rank == 0) return 1.0;
  return tensors.alpha / (use_rslora ? std::sqrt(rank) : rank);
}

AdapterTensors with_directions(AdapterTensors tensors) {
  if (tensors.a.size(0) > 0) return tensors;
  std::vector<int64_t> a = tensors.a.sizes().vec();
  std::vector<int64_t> b = tensors.b.sizes().vec();
  a[0] = b[1] = 1;
  tensors.a = at::zeros(a, at::kFloat);
  tensors.b = at::zeros(b, at::kFloat);
  tensors.alpha = 1.0;
  return tensors;
}

AdapterSpec spec_with_scales(AdapterSpec spec,
                             const std::map<std::string, AdapterTensors>& modules) {
  const bool agrees = std::all_of(modules.begin(), modules.end(), [&](const auto& item) {
    return spec.rank_of(item.first) == item.second.a.size(0) &&
           spec.alpha_of(item.first) == item.second.alpha;
  });
  if (agrees || modules.empty()) return spec;
  const auto rank_of = [](const AdapterTensors& own) { return static_cast<double>(own.a.size(0)); };
  const auto alpha_of = [](const AdapterTensors& own) { return own.alpha; };
  const double rank = most_frequent(modules, rank_of);
  spec.rank = static_cast<int64_t>(rank);
  spec.rank_pattern = exceptions(modules, rank, rank_of);
  spec.alpha.reset();
  spec.alpha_pattern.clear();
  const bool alpha_is_rank = std::all_of(modules.begin(), modules.end(), [&](const auto& item) {
    return alpha_of(item.second) == rank_of(item.second);
  });
  if (!alpha_is_rank) {
    spec.alpha = most_frequent(modules, alpha_of);
    spec.alpha_pattern = exceptions(modules, *spec.alpha, alpha_of);
  }
  return spec;
}

std::vector<std::string> targets_of(const std::map<std::string, AdapterTensors>& modules,
                                    const LinearLayers& layers) {
  std::set<std::string> endings, globs;
  std::vector<std::string> names;
  for (const auto& [module, tensors] : modules) {
    const std::string ending = name_ending(module);
    endings.insert(ending);
    globs.insert(component_of(module) + ".*." + ending);
    names.push_back(module);
  }
  for (const auto& patterns : {endings, globs}) {
    const auto selected = std::count_if(layers.begin(), layers.end(), [&](const auto& layer) {
      return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
        return module_matches(pattern, layer.first);
      });
    });
    if (static_cast<size_t>(selected) == modules.size()) return {patterns.begin(), patterns.end()};
  }
  return names;
}

std::string name_ending(const std::string& module) {
  size_t dot = module.rfind('.');
  if (dot == std::string::npos) return module;
  const bool is_number =
      module.find_first_not_of("0123456789", dot + 1) == std::string::npos && dot > 0;
  if (is_number) dot = module.rfind('.', dot - 1);
  return dot == std::string::npos ? module : module.substr(dot + 1);
}

}  // namespace dorabooth
