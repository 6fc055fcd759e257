// By pread and pwrite: mapped pages would count as memory of this process.
#include "pipelines/parts/tensor_copy.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "src/ops/tensor_bytes.h"

namespace dorabooth {

namespace {

std::span<const std::byte> bytes_of(const at::Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()};
}

}  // namespace

void copy_stored_tensor(const StoredTensor& stored, bool transposed, DType dtype,
                        std::span<std::byte> buffer, const BytesSink& write) {
  const at::ScalarType from = scalar_type(stored.entry->dtype);
  const at::ScalarType to = scalar_type(dtype);
  if (transposed) {
    at::Tensor tensor = at::empty(stored.entry->shape, from);
    stored.file->read(*stored.entry, 0,
                      {static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()});
    return write(0, bytes_of(tensor.t().to(to).contiguous()));
  }
  const uint64_t size = c10::elementSize(from);
  const uint64_t piece = buffer.size() / size * size;
  uint64_t written = 0;
  for (uint64_t first = 0; first < stored.bytes(); first += piece) {
    const std::span<std::byte> bytes = buffer.first(std::min(piece, stored.bytes() - first));
    stored.file->read(*stored.entry, stored.first_byte() + first, bytes);
    if (from == to) {
      write(written, bytes);
      written += bytes.size();
      continue;
    }
    const auto count = static_cast<int64_t>(bytes.size() / size);
    const at::Tensor values = at::from_blob(bytes.data(), {count}, from).to(to);
    write(written, bytes_of(values));
    written += values.nbytes();
  }
}

}  // namespace dorabooth
