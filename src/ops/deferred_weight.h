// A dense matrix that stays where it is stored, in another dtype, until it is used: a model starts
// without touching memory for its weights, and what computes once, as the keys and values of a
// prompt do, never takes any.
#pragma once

#include <ATen/core/Tensor.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "src/ops/frozen_weight.h"
#include "src/ops/large_pages.h"

namespace dorabooth {

// Memory of the deferred weights of one model: what they keep, and what they only pass through. For
// any number of threads.
class DeferredMemory {
 public:
  // Announces a matrix that may come to be kept.
  void expect(size_t bytes);
  // To keep; uninitialised.
  at::Tensor kept(at::IntArrayRef sizes, at::ScalarType dtype);
  // A buffer of at least `bytes`, and back.
  at::Tensor take(int64_t bytes);
  void give(at::Tensor buffer);

 private:
  std::mutex mutex_;
  LargePages pages_;
  std::vector<at::Tensor> buffers_;
};

// Everything it computes is DenseWeight's, bit for bit, at any time. The first product goes through
// a buffer; from the second on, or where all rows are asked for at once, the matrix is kept. Some
// of its rows are read anew as long as it is not.
class DeferredWeight : public FrozenWeight {
 public:
  // Fills `rows` [n, in], contiguous, on the CPU and in the matrix's dtype, with the rows from
  // `first` on. Called from any thread.
  using Read = std::function<void(int64_t first, const at::Tensor& rows)>;
  DeferredWeight(int64_t out, int64_t in, at::ScalarType dtype, Read read,
                 std::shared_ptr<DeferredMemory> memory);

  int64_t out_features() const override { return out_; }
  int64_t in_features() const override { return in_; }
  at::Tensor matmul(const at::Tensor& x) const override;
  at::Tensor affine(const at::Tensor& x, const at::Tensor& bias) const override;
  at::Tensor matmul_transposed(const at::Tensor& dy) const override;
  at::Tensor rows(int64_t first, int64_t last) const override;
  at::Tensor core_rows(int64_t first, int64_t last) const override;
  int64_t core_row_count() const override { return out_; }
  uint64_t version() const override { return 0; }

  // The whole matrix, kept from now on.
  const at::Tensor& tensor() const;
  bool is_kept() const { return is_kept_; }

 private:
  at::Tensor product(const std::function<at::Tensor(const DenseWeight&)>& multiply) const;
  const DenseWeight& dense() const;

  int64_t out_;
  int64_t in_;
  at::ScalarType dtype_;
  Read read_;
  std::shared_ptr<DeferredMemory> memory_;
  mutable std::atomic<bool> was_used_ = false;
  mutable std::atomic<bool> is_kept_ = false;
  mutable std::mutex mutex_;
  mutable std::unique_ptr<const DenseWeight> kept_;  // set once, before is_kept_
};

}  // namespace dorabooth
