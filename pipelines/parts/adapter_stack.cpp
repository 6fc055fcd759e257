// Files to adapter sets and patches.
#include "pipelines/parts/adapter_stack.h"

#include <algorithm>

#include "pipelines/parts/adapter_reading.h"
#include "src/base/hash.h"
#include "src/device/adapter_core_choice.h"

namespace dorabooth {

AdapterStack::AdapterStack(const std::vector<AdapterArgument>& arguments, StrengthRule rule,
                           const SdxlBundle& bundle, const ReadingOptions& options, const Log& log)
    : bundle_(bundle), rule_(rule) {
  if (arguments.empty()) return;
  const LinearLayers layers = bundle.linear_layers();
  const ParameterShapes shapes = bundle_shapes(bundle);
  const AdapterCore& core = adapter_core(bundle.device);
  for (const AdapterArgument& argument : arguments) {
    AdapterContents contents =
        read_adapter_contents(argument.path, layers, shapes, options, weights_of(bundle));
    warn_of_ignored_keys(contents, log);
    const AdapterFile& file = contents.file;
    AdapterSet set = AdapterSet::from_tensors(file.spec, layers, file.modules, core);
    set.set_strength(argument.strength, rule);
    touches_text_encoders_ |= std::ranges::any_of(
        contents.modules(), [](const auto& module) { return module.starts_with("text_encoder"); });
    adapters_.push_back({argument, file.path.string(), sha256_of_file(file.path), std::move(set),
                         std::move(contents.patches)});
  }
}

bool AdapterStack::has_patches() const {
  return std::ranges::any_of(adapters_,
                             [](const LoadedAdapter& adapter) { return !adapter.patches.empty(); });
}

AttachedStack AdapterStack::attach() {
  std::vector<AppliedPatch> patches;
  for (const LoadedAdapter& adapter : adapters_) {
    for (const WeightPatch& patch : adapter.patches) {
      patches.push_back({&patch, adapter.argument.strength});
    }
  }
  AttachedStack attached;
  if (!patches.empty()) {
    attached.patches = PatchScope(bundle_, patches, rule_);
    // Norms of the weights that were there before.
    for (LoadedAdapter& adapter : adapters_) adapter.set.on_parameters_changed();
  }
  for (LoadedAdapter& adapter : adapters_) attached.slots.push_back(adapter.set.attach());
  return attached;
}

}  // namespace dorabooth
