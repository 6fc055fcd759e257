// Files to adapter sets.
#include "pipelines/parts/adapter_stack.h"

#include <algorithm>

#include "src/adapter/adapter_file.h"
#include "src/base/hash.h"
#include "src/device/adapter_core_choice.h"

namespace dorabooth {

AdapterStack::AdapterStack(const std::vector<AdapterArgument>& arguments, StrengthRule rule,
                           const SdxlBundle& bundle) {
  const LinearLayers layers = bundle.linear_layers();
  const AdapterCore& core = adapter_core(bundle.device);
  for (const AdapterArgument& argument : arguments) {
    const AdapterFile file = read_adapter_file(argument.path, layers);
    AdapterSet set = AdapterSet::from_tensors(file.spec, layers, file.modules, core);
    set.set_strength(argument.strength, rule);
    touches_text_encoders_ |= std::ranges::any_of(
        file.modules, [](const auto& item) { return item.first.starts_with("text_encoder"); });
    adapters_.push_back({argument, file.path.string(), sha256_of_file(file.path), std::move(set)});
  }
}

std::vector<AttachScope> AdapterStack::attach() {
  std::vector<AttachScope> scopes;
  for (LoadedAdapter& adapter : adapters_) scopes.push_back(adapter.set.attach());
  return scopes;
}

}  // namespace dorabooth
