// The memory is the allocator's own, only its pages are asked for: what it frees, it may use again.
#include "src/ops/large_pages.h"

#include <sys/mman.h>

#include <ATen/ATen.h>

#include <algorithm>

namespace dorabooth {

namespace {

constexpr size_t kPage = size_t{2} << 20;
constexpr size_t kChunk = size_t{64} << 20;
constexpr size_t kAlignment = 64;

size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

void advise_large_pages(const at::Tensor& tensor) {
  const auto begin = reinterpret_cast<uintptr_t>(tensor.data_ptr());
  const uintptr_t first = (begin + kPage - 1) / kPage * kPage;
  const uintptr_t last = (begin + tensor.nbytes()) / kPage * kPage;
  if (first >= last) return;
  ::madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
}

void LargePages::expect(size_t bytes) {
  expected_ += aligned(bytes);
  expects_ = true;
}

at::Tensor LargePages::empty(at::IntArrayRef sizes, at::ScalarType dtype) {
  const auto bytes = static_cast<size_t>(c10::multiply_integers(sizes)) * c10::elementSize(dtype);
  if (bytes == 0) return at::empty(sizes, dtype);
  const size_t to_come = std::max(expected_, bytes);
  expected_ -= std::min(expected_, aligned(bytes));
  if (bytes >= kChunk) {
    at::Tensor alone = at::empty(sizes, dtype);
    advise_large_pages(alone);
    return alone;
  }
  if (!chunk_.defined() || chunk_.nbytes() - used_ < bytes) {
    const size_t size = expects_ ? std::min(kChunk, to_come) : kChunk;
    chunk_ = at::empty({static_cast<int64_t>(size)}, at::kByte);
    advise_large_pages(chunk_);
    used_ = 0;
  }
  std::byte* const memory = static_cast<std::byte*>(chunk_.data_ptr()) + used_;
  used_ = std::min(used_ + aligned(bytes), chunk_.nbytes());
  // A tensor of its own, and no view of the chunk: versions are the tensor's.
  return at::from_blob(
      memory, sizes, [chunk = chunk_](void*) {}, at::TensorOptions().dtype(dtype));
}

}  // namespace dorabooth
