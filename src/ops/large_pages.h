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
  // Announces bytes that will be asked for: no chunk is larger than what is still to come. Without
  // it, chunks are whole; what of one is not used costs nothing in fresh memory, but all of it
  // where the allocator takes it from what was freed.
  void expect(size_t bytes);
  // On the CPU, uninitialised.
  at::Tensor empty(at::IntArrayRef sizes, at::ScalarType dtype);

 private:
  at::Tensor chunk_;
  size_t used_ = 0;
  size_t expected_ = 0;  // with room for the alignment of each
  bool expects_ = false;
};

// Asks for large pages for fresh memory of any kind; a hint, without effect where it is small.
void advise_large_pages(const at::Tensor& tensor);

}  // namespace dorabooth
