// A depth-first walk over the named children.
#include "src/nn/linear_layers.h"

namespace dorabooth::nn {

namespace {

void collect(torch::nn::Module& module, const std::string& name,
             std::vector<std::pair<std::string, Linear*>>& result) {
  if (auto* linear = dynamic_cast<Linear*>(&module)) {
    result.emplace_back(name, linear);
    return;
  }
  for (const auto& child : module.named_children()) {
    collect(*child.value(), name.empty() ? child.key() : name + "." + child.key(), result);
  }
}

}  // namespace

std::vector<std::pair<std::string, Linear*>> linear_layers(torch::nn::Module& root) {
  std::vector<std::pair<std::string, Linear*>> result;
  collect(root, "", result);
  return result;
}

}  // namespace dorabooth::nn
