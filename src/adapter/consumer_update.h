// The update that programs which read adapter files make of a module's tensors, before any
// magnitude. Internal to src/adapter.
#pragma once

#include "src/adapter/consumer.h"

namespace dorabooth {

// The alpha/rank that the consumer knows: by a tensor beside the module, or a config.
double consumer_scale(Consumer consumer, const StoredAdapter& file, const std::string& name,
                      const StoredModule& module);

// The product of the factors, or the whole difference, in the shape of the parameter.
at::Tensor consumer_product(const StoredModule& module, const std::vector<int64_t>& shape);

}  // namespace dorabooth
