// at::parallel_for as the adapter core's ParallelFor: torch's pool is the only one of the process.
#pragma once

#include "kernels/adapter_core.h"

namespace dorabooth {

const ParallelFor& torch_parallel_for();

}  // namespace dorabooth
