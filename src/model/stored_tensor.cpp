// Shapes of the four kinds of change between a file's entry and a diffusers tensor.
#include "src/model/stored_tensor.h"

#include <unordered_map>

#include "src/base/error.h"

namespace dorabooth {

uint64_t StoredTensor::bytes() const {
  return change.kind == KeyChange::kRows ? entry->bytes() / 3 : entry->bytes();
}

uint64_t StoredTensor::first_byte() const {
  return change.kind == KeyChange::kRows ? bytes() * static_cast<uint64_t>(change.part) : 0;
}

StoredTensor make_stored_tensor(std::shared_ptr<const SafetensorsFile> file,
                                const TensorEntry& entry, std::string name, KeyChange change) {
  std::vector<int64_t> shape = entry.shape;
  const auto mis_shaped = [&](const char* want) {
    fail(file->path().string(), ": ", entry.name, ": want ", want, ", got ",
         shape_text(entry.shape));
  };
  switch (change.kind) {
    case KeyChange::kNone:
      break;
    case KeyChange::kTranspose:
      if (shape.size() != 2) mis_shaped("a matrix");
      std::swap(shape[0], shape[1]);
      break;
    case KeyChange::kReshape:
      while (shape.size() > 2 && shape.back() == 1) shape.pop_back();
      if (shape.size() != 2) mis_shaped("[C,C] or [C,C,1,1]");
      break;
    case KeyChange::kRows:
      if (shape.empty() || shape[0] % 3 != 0) mis_shaped("a first axis of three equal parts");
      shape[0] /= 3;
      break;
  }
  return {std::move(name), std::move(shape), std::move(file), &entry, change};
}

void require_unique_names(const std::vector<StoredTensor>& tensors) {
  std::unordered_map<std::string_view, const StoredTensor*> known;
  for (const StoredTensor& tensor : tensors) {
    const auto [other, is_new] = known.emplace(tensor.name, &tensor);
    if (is_new) continue;
    fail(tensor.file->path().string(), ": ", other->second->entry->name, " and ",
         tensor.entry->name, " are both the tensor ", tensor.name);
  }
}

}  // namespace dorabooth
