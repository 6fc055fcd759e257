// A table of rows looked up by index (torch.nn.Embedding): tokens and positions.
#pragma once

#include "src/nn/layer.h"

namespace dorabooth::nn {

class Embedding : public Layer {
 public:
  Embedding(int64_t rows, int64_t features, const at::TensorOptions& options);
  // ids [...] int64 -> [..., features]; an id outside the table is an error.
  at::Tensor forward(const at::Tensor& ids) const;
  // Rows 0 .. count-1, [count, features]: the positions of a sequence.
  at::Tensor first_rows(int64_t count) const;

 private:
  int64_t rows_;
};

}  // namespace dorabooth::nn
