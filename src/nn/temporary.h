// Operations on a tensor that nobody else holds or has saved: in place where no graph is recorded,
// which spares an allocation and a pass through memory. The values are the same either way.
#pragma once

#include <ATen/core/Tensor.h>

namespace dorabooth::nn {

at::Tensor silu_of_temporary(at::Tensor temporary);
// x + temporary, of the same shape.
at::Tensor add_temporary(const at::Tensor& x, at::Tensor temporary);

}  // namespace dorabooth::nn
