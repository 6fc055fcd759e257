// What libdorabooth_nccl.so offers: LibTorch's NCCL process group. The object is apart because it
// needs LibTorch's CUDA side, which this program opens at run time only. Internal to src/device.
#pragma once

#include <chrono>
#include <string>

#include "src/device/collective_backend.h"

// Makes `backend`, or says in `why_not` why there is none.
extern "C" void dorabooth_nccl_backend(const dorabooth::Store& store, int rank, int size,
                                       std::chrono::milliseconds timeout,
                                       dorabooth::Backend* backend, std::string* why_not);
