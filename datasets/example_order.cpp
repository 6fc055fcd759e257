// Permutations are made anew for every batch: an epoch of some thousand examples takes
// microseconds.
#include "datasets/example_order.h"

#include <algorithm>
#include <map>

namespace dorabooth {

ExampleOrder::ExampleOrder(const std::vector<PictureSize>& sizes, uint64_t seed,
                           const std::string& stream, int64_t batch_size)
    : order_(seed, stream + "/order"),
      batch_order_(seed, stream + "/batch_order"),
      batch_size_(batch_size) {
  std::map<std::pair<int, int>, size_t> group_of;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const auto [found, is_new] =
        group_of.emplace(std::pair(sizes[i].width, sizes[i].height), groups_.size());
    if (is_new) groups_.emplace_back();
    groups_[found->second].push_back(static_cast<int64_t>(i));
  }
  for (const std::vector<int64_t>& group : groups_) {
    const auto count = static_cast<int64_t>(group.size());
    batches_per_epoch_ += (count + batch_size_ - 1) / batch_size_;
  }
}

std::vector<OrderedRow> ExampleOrder::endless_batch(int64_t micro_step) const {
  const auto count = static_cast<int64_t>(groups_[0].size());
  std::vector<OrderedRow> rows;
  std::vector<int64_t> permutation;
  int64_t permuted_epoch = -1;
  for (int64_t i = 0; i < batch_size_; ++i) {
    const int64_t position = micro_step * batch_size_ + i;
    const int64_t epoch = position / count;
    if (epoch != permuted_epoch) {
      permutation = order_.permutation(static_cast<uint64_t>(epoch), 0, count);
      permuted_epoch = epoch;
    }
    rows.push_back({permutation[static_cast<size_t>(position % count)], epoch});
  }
  return rows;
}

std::vector<OrderedRow> ExampleOrder::batch(int64_t micro_step) const {
  if (groups_.size() == 1) return endless_batch(micro_step);
  const int64_t epoch = micro_step / batches_per_epoch_;
  const auto step = static_cast<uint64_t>(epoch);
  int64_t number = batch_order_.permutation(
      step, 0, batches_per_epoch_)[static_cast<size_t>(micro_step % batches_per_epoch_)];
  for (size_t group = 0; group < groups_.size(); ++group) {
    const auto count = static_cast<int64_t>(groups_[group].size());
    const int64_t batches = (count + batch_size_ - 1) / batch_size_;
    if (number >= batches) {
      number -= batches;
      continue;
    }
    const std::vector<int64_t> permutation =
        order_.permutation(step, static_cast<uint32_t>(group), count);
    std::vector<OrderedRow> rows;
    const int64_t end = std::min(count, (number + 1) * batch_size_);
    for (int64_t i = number * batch_size_; i < end; ++i) {
      const int64_t place = permutation[static_cast<size_t>(i)];
      rows.push_back({groups_[group][static_cast<size_t>(place)], epoch});
    }
    return rows;
  }
  return {};
}

}  // namespace dorabooth
