// The four changes of single_file_keys.h, applied to tensors.
#include "src/model/weights.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <span>

#include "src/base/error.h"
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

namespace {

// Numbers converted at a time: they stay in the second-level cache.
constexpr int64_t kPiece = 1 << 16;

// By way of fp32, which is exact, and whose conversions LibTorch has in vectors, unlike those from
// one half precision to the other.
void read_converted(const StoredTensor& stored, at::Tensor& result) {
  const at::ScalarType from = scalar_type(stored.entry->dtype);
  const at::Tensor flat = result.view({-1});
  const at::Tensor buffer = at::empty({std::min(kPiece, flat.numel())}, from);
  const auto size = static_cast<uint64_t>(buffer.element_size());
  for (int64_t first = 0; first < flat.numel(); first += kPiece) {
    const at::Tensor piece = buffer.slice(0, 0, std::min(kPiece, flat.numel() - first));
    stored.file->read(*stored.entry, stored.first_byte() + static_cast<uint64_t>(first) * size,
                      {static_cast<std::byte*>(piece.data_ptr()), piece.nbytes()});
    const bool halves = from == at::kHalf || from == at::kBFloat16;
    flat.slice(0, first, first + piece.numel()).copy_(halves ? piece.to(at::kFloat) : piece);
  }
}

}  // namespace

at::Tensor Weights::copy(const std::string& name, at::ScalarType dtype, at::Device device) const {
  const StoredTensor& stored = at(name);
  const at::ScalarType own = scalar_type(stored.entry->dtype);
  const bool transposed = stored.change.kind == KeyChange::kTranspose;
  at::Tensor tensor = at::empty(transposed ? stored.entry->shape : stored.shape, dtype);
  if (own == dtype) {
    stored.file->read(*stored.entry, stored.first_byte(),
                      {static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()});
  } else {
    read_converted(stored, tensor);
  }
  if (transposed) tensor = tensor.t().contiguous();
  return tensor.to(device);
}

}  // namespace dorabooth
