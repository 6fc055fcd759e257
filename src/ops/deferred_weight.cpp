// The buffers go once a matrix is kept: from then on nearly all are.
#include "src/ops/deferred_weight.h"

#include <ATen/ATen.h>

#include <utility>

namespace dorabooth {

void DeferredMemory::expect(size_t bytes) {
  const std::scoped_lock lock(mutex_);
  pages_.expect(bytes);
}

at::Tensor DeferredMemory::kept(at::IntArrayRef sizes, at::ScalarType dtype) {
  const std::scoped_lock lock(mutex_);
  buffers_.clear();
  return pages_.empty(sizes, dtype);
}

at::Tensor DeferredMemory::take(int64_t bytes) {
  const std::scoped_lock lock(mutex_);
  at::Tensor buffer;
  if (!buffers_.empty()) {
    buffer = std::move(buffers_.back());
    buffers_.pop_back();
  }
  if (!buffer.defined() || buffer.numel() < bytes) {
    buffer = at::empty({bytes}, at::kByte);
    advise_large_pages(buffer);
  }
  return buffer;
}

void DeferredMemory::give(at::Tensor buffer) {
  const std::scoped_lock lock(mutex_);
  buffers_.push_back(std::move(buffer));
}

DeferredWeight::DeferredWeight(int64_t out, int64_t in, at::ScalarType dtype, Read read,
                               std::shared_ptr<DeferredMemory> memory)
    : out_(out), in_(in), dtype_(dtype), read_(std::move(read)), memory_(std::move(memory)) {
  memory_->expect(static_cast<size_t>(out_ * in_) * c10::elementSize(dtype_));
}

const DenseWeight& DeferredWeight::dense() const {
  if (is_kept_) return *kept_;
  const std::scoped_lock lock(mutex_);
  if (!is_kept_) {
    at::Tensor values = memory_->kept({out_, in_}, dtype_);
    read_(0, values);
    kept_ = std::make_unique<const DenseWeight>(std::move(values));
    is_kept_ = true;
  }
  return *kept_;
}

at::Tensor DeferredWeight::product(
    const std::function<at::Tensor(const DenseWeight&)>& multiply) const {
  if (was_used_.exchange(true)) return multiply(dense());
  const int64_t bytes = out_ * in_ * static_cast<int64_t>(c10::elementSize(dtype_));
  at::Tensor buffer = memory_->take(bytes);
  const at::Tensor values = buffer.slice(0, 0, bytes).view(dtype_).view({out_, in_});
  read_(0, values);
  at::Tensor result = multiply(DenseWeight(values));
  memory_->give(std::move(buffer));
  return result;
}

at::Tensor DeferredWeight::matmul(const at::Tensor& x) const {
  return product([&](const DenseWeight& weight) { return weight.matmul(x); });
}

at::Tensor DeferredWeight::affine(const at::Tensor& x, const at::Tensor& bias) const {
  return product([&](const DenseWeight& weight) { return weight.affine(x, bias); });
}

at::Tensor DeferredWeight::matmul_transposed(const at::Tensor& dy) const {
  return product([&](const DenseWeight& weight) { return weight.matmul_transposed(dy); });
}

at::Tensor DeferredWeight::rows(int64_t first, int64_t last) const {
  return core_rows(first, last).to(at::kFloat);
}

at::Tensor DeferredWeight::core_rows(int64_t first, int64_t last) const {
  if (is_kept_ || (first == 0 && last == out_)) return dense().core_rows(first, last);
  at::Tensor values = at::empty({last - first, in_}, dtype_);
  if (last > first) read_(first, values);
  return values;
}

const at::Tensor& DeferredWeight::tensor() const { return dense().tensor(); }

}  // namespace dorabooth
