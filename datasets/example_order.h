// Which examples a micro-step's batch holds: a pure function of (seed, micro-step). All of a batch
// have one size.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/base/random_stream.h"
#include "src/imagefile/image_file.h"

namespace dorabooth {

// An example and the pass over the pictures that it is taken in.
struct OrderedRow {
  int64_t example = 0;
  int64_t epoch = 0;
};

// Examples of one size are drawn without end: an epoch's permutation follows the last one, every
// batch is full. Of several sizes, each epoch permutes the examples of every size, cuts them into
// batches, of which a size's last may be short, and permutes the batches: every example comes once
// an epoch, none is repeated to fill a batch.
class ExampleOrder {
 public:
  // `sizes` of every example, at least one; draws are of the streams "<stream>/order" and
  // "<stream>/batch_order".
  ExampleOrder(const std::vector<PictureSize>& sizes, uint64_t seed, const std::string& stream,
               int64_t batch_size);

  // At least one row, at most batch_size.
  std::vector<OrderedRow> batch(int64_t micro_step) const;
  int64_t batches_per_epoch() const { return batches_per_epoch_; }

 private:
  std::vector<OrderedRow> endless_batch(int64_t micro_step) const;

  RandomStream order_;
  RandomStream batch_order_;
  int64_t batch_size_;
  std::vector<std::vector<int64_t>> groups_;  // examples of one size
  int64_t batches_per_epoch_ = 0;
};

}  // namespace dorabooth
