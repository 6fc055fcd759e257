// Tensors by module and role, with nothing done to them.
#include "src/adapter/stored_adapter.h"

#include <ATen/ATen.h>

#include "src/adapter/adapter_contents.h"
#include "src/adapter/adapter_source.h"
#include "src/base/error.h"

namespace dorabooth {

namespace {

bool is_of_bias(AdapterRole role) {
  return role == AdapterRole::kBiasDifference || role == AdapterRole::kNormBiasDifference;
}

StoredModule stored_weight(const AdapterSource& source, const ModuleParts& parts) {
  StoredModule own;
  own.algebra = parts.algebra();
  own.magnitude_role = parts.magnitude_role();
  for (const auto& [role, entry] : parts.all()) {
    if (is_of_bias(role)) continue;
    own.key = entry->name;
    const at::Tensor numbers = source.numbers(*entry);
    if (entry == parts.magnitude()) {
      own.magnitude = numbers;
    } else if (role == AdapterRole::kA) {
      own.down = numbers;
    } else if (role == AdapterRole::kB) {
      own.up = numbers;
    } else if (role == AdapterRole::kAlpha) {
      own.alpha = numbers.item<double>();
    } else {
      own.factors[role] = numbers;
    }
  }
  return own;
}

StoredAdapter stored(const AdapterSource& source) {
  StoredAdapter result{source.layout(), {}, source.metadata(), source.configs(), source.keys()};
  for (const auto& [module, parts] : source.parts()) {
    if (parts.changes_weight()) result.modules[module] = stored_weight(source, parts);
    for (const auto& [role, algebra] :
         {std::pair{AdapterRole::kBiasDifference, Algebra::kDifference},
          {AdapterRole::kNormBiasDifference, Algebra::kNormDifference}}) {
      const TensorEntry* entry = parts.find(role);
      if (!entry) continue;
      StoredModule& own = result.modules[module + ".bias"];
      own.key = entry->name;
      own.algebra = algebra;
      own.factors[role] = source.numbers(*entry);
    }
  }
  return result;
}

}  // namespace

StoredAdapter read_stored_adapter(const std::filesystem::path& path, const ParameterShapes& shapes,
                                  const ReadingOptions& options) {
  AdapterSource source(path, shapes, options);
  try {
    source.read();
    return stored(source);
  } catch (const Error& error) {
    fail(path.string(), ": ", error.what());
  }
}

}  // namespace dorabooth
