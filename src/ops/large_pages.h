// Memory for weights in pages of 2 MB where the system gives them: a model of gigabytes in pages of
// 4 KB takes millions of faults before it computes anything.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>

namespace dorabooth {

// Tensors one behind the other in large chunks. A chunk is freed when the last of its tensors is:
// for what lives and dies together, as the weights of a model do.
class LargePages {
 public:
  // On the CPU, uninitialised.
  at::Tensor empty(at::IntArrayRef sizes, at::ScalarType dtype);

 private:
  at::Tensor chunk_;
  size_t used_ = 0;
};

// Asks for large pages for fresh memory of any kind; a hint, without effect where it is small.
void advise_large_pages(const at::Tensor& tensor);

}  // namespace dorabooth
