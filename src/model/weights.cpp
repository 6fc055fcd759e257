// The four changes of single_file_keys.h, applied to tensors.
#include "src/model/weights.h"

#include <ATen/ATen.h>

#include "src/base/error.h"
#include "src/model/stored_reading.h"
#include "src/ops/tensor_bytes.h"

namespace dorabooth {

Weights::Weights(std::string where, std::vector<StoredTensor> tensors)
    : where_(std::move(where)), tensors_(std::move(tensors)) {
  require_unique_names(tensors_);
  for (size_t i = 0; i < tensors_.size(); ++i) index_of_name_.emplace(tensors_[i].name, i);
}

const StoredTensor* Weights::find(const std::string& name) const {
  const auto found = index_of_name_.find(name);
  return found == index_of_name_.end() ? nullptr : &tensors_[found->second];
}

const StoredTensor& Weights::at(const std::string& name) const {
  if (const StoredTensor* stored = find(name)) return *stored;
  std::vector<std::string> names;
  for (const StoredTensor& stored : tensors_) names.push_back(stored.name);
  fail(where_, ": no tensor ", name, did_you_mean(name, names));
}

at::Tensor Weights::tensor(const std::string& name) const {
  const StoredTensor& stored = at(name);
  const at::Tensor whole = map_tensor(stored.file, *stored.entry);
  switch (stored.change.kind) {
    case KeyChange::kNone:
      return whole;
    case KeyChange::kTranspose:
      return whole.t().contiguous();
    case KeyChange::kReshape:
      return whole.view(stored.shape);
    case KeyChange::kRows:
      return whole.narrow(0, stored.shape[0] * stored.change.part, stored.shape[0]);
  }
  return whole;
}

at::Tensor Weights::copy(const std::string& name, at::ScalarType dtype, at::Device device) const {
  const StoredTensor& stored = at(name);
  const bool transposed = stored.change.kind == KeyChange::kTranspose;
  at::Tensor tensor = at::empty(transposed ? stored.entry->shape : stored.shape, dtype);
  read_stored(stored, tensor);
  if (transposed) tensor = tensor.t().contiguous();
  return tensor.to(device);
}

}  // namespace dorabooth
