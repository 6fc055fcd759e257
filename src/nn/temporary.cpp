// With a graph, both go out of place: SiLU's input and an adapter's output may be saved in it.
#include "src/nn/temporary.h"

#include <ATen/ATen.h>

namespace dorabooth::nn {

at::Tensor silu_of_temporary(at::Tensor temporary) {
  if (at::GradMode::is_enabled() && temporary.requires_grad()) return at::silu(temporary);
  return at::silu_(temporary);
}

at::Tensor add_temporary(const at::Tensor& x, at::Tensor temporary) {
  const bool records =
      at::GradMode::is_enabled() && (x.requires_grad() || temporary.requires_grad());
  return records ? x + temporary : temporary.add_(x);
}

}  // namespace dorabooth::nn
