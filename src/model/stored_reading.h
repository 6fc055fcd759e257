// The numbers of a base's tensor, read into memory that is there. Internal to model.
#pragma once

#include <ATen/core/Tensor.h>

#include "src/model/stored_tensor.h"

namespace dorabooth {

// Fills `out`, contiguous on the CPU, of the shape that the tensor has in its file (for
// KeyChange::kTranspose the transposed one), in the dtype of `out`. Leaves no page mapped.
void read_stored(const StoredTensor& stored, const at::Tensor& out);

// The same for a part of its first axis: as many entries from `first` on as `out` has. Not for
// KeyChange::kTranspose.
void read_stored_rows(const StoredTensor& stored, int64_t first, const at::Tensor& out);

}  // namespace dorabooth
