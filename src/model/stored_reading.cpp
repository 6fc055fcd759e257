// As it is: by a read into place. Between the types of the adapter core: from the mapping through
// its converters, a pass over memory that the kernel does not copy first. Others: through torch.
#include "src/model/stored_reading.h"

#include <ATen/ATen.h>

#include <cstring>

#include "kernels/cpu/vector.h"
#include "src/ops/core_arguments.h"
#include "src/ops/tensor_bytes.h"
#include "src/tensorfile/mapped_pieces.h"

namespace dorabooth {

namespace {

bool in_core(at::ScalarType type) {
  return type == at::kFloat || type == at::kHalf || type == at::kBFloat16;
}

// Bytes of the tensor from `offset` on, as many numbers as `out` has.
void read_from(const StoredTensor& stored, uint64_t offset, const at::Tensor& out) {
  const at::ScalarType from = scalar_type(stored.entry->dtype);
  const at::ScalarType to = out.scalar_type();
  const uint64_t first = stored.first_byte() + offset;
  auto* const bytes = static_cast<std::byte*>(out.data_ptr());
  if (from == to) return stored.file->read(*stored.entry, first, {bytes, out.nbytes()});
  const size_t size = c10::elementSize(from);
  const bool aligned = reinterpret_cast<uintptr_t>(stored.file->data(*stored.entry)) % size == 0;
  int64_t done = 0;
  const auto take = [&](std::span<const std::byte> piece) {
    const auto count = static_cast<int64_t>(piece.size() / size);
    if (in_core(from) && in_core(to) && aligned) {
      cpu::convert(element_type(from), piece.data(), element_type(to),
                   bytes + static_cast<size_t>(done) * out.element_size(), count);
    } else {
      at::Tensor values = at::empty({count}, from);
      std::memcpy(values.data_ptr(), piece.data(), piece.size());
      out.view({-1}).slice(0, done, done + count).copy_(values);
    }
    done += count;
  };
  const uint64_t length = static_cast<uint64_t>(out.numel()) * size;
  for_each_piece(*stored.file, *stored.entry, first, length, take);
}

}  // namespace

void read_stored(const StoredTensor& stored, const at::Tensor& out) { read_from(stored, 0, out); }

void read_stored_rows(const StoredTensor& stored, int64_t first, const at::Tensor& out) {
  const uint64_t row = stored.bytes() / static_cast<uint64_t>(stored.shape[0]);
  read_from(stored, static_cast<uint64_t>(first) * row, out);
}

}  // namespace dorabooth
