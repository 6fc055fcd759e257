// LibTorch's c10d backends behind one call each: Gloo for CPU tensors, NCCL for CUDA tensors.
// Internal to src/device.
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <string>

namespace dorabooth {

using Store = c10::intrusive_ptr<c10d::Store>;
using Backend = c10::intrusive_ptr<c10d::Backend>;

// Connects to all others; returns once all are there. GLOO_SOCKET_IFNAME names the network
// interface as for torch; otherwise the host's own address is taken.
Backend make_gloo_backend(const Store& store, int rank, int size,
                          std::chrono::milliseconds timeout);

// LibTorch's NCCL process group from libdorabooth_nccl.so, which a build makes where nccl.h of
// LibTorch's NCCL is there. Null where it is not to be had; `why_not` then is the rest of a
// sentence. Collectives run on a stream of their own; waiting for one blocks, and throws where it
// failed or takes longer than the timeout.
Backend make_nccl_backend(const Store& store, int rank, int size, std::chrono::milliseconds timeout,
                          std::string* why_not);

}  // namespace dorabooth
