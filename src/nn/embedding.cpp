// Ids are checked where that costs no wait for a device.
#include "src/nn/embedding.h"

#include <ATen/ATen.h>

#include "src/base/error.h"

namespace dorabooth::nn {

Embedding::Embedding(int64_t rows, int64_t features, const at::TensorOptions& options)
    : rows_(rows) {
  declare("weight", {rows, features}, options);
}

at::Tensor Embedding::forward(const at::Tensor& ids) const {
  if (ids.is_cpu() && ids.numel() > 0) {
    const auto [low, high] = at::aminmax(ids);
    const int64_t first = low.item<int64_t>();
    const int64_t last = high.item<int64_t>();
    if (first < 0 || last >= rows_) {
      fail("embedding: id ", first < 0 ? first : last, " is outside the table of ", rows_, " rows");
    }
  }
  return at::embedding(value("weight"), ids);
}

at::Tensor Embedding::first_rows(int64_t count) const {
  if (count > rows_) fail("embedding: ", count, " positions asked, the table has ", rows_);
  return value("weight").slice(0, 0, count);
}

}  // namespace dorabooth::nn
