// LibTorch's ProcessGroupNCCL. Its watchdog would end the process where another one is lost; here
// wait() throws instead, and the training says what happened.
#define USE_C10D_NCCL
#include "src/device/nccl/nccl_object.h"

#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include <cstdlib>

#include "src/base/error.h"

namespace {

// Settings of ProcessGroupNCCL that are given by the environment only.
void leave_errors_to_wait() {
  for (const char* name : {"TORCH_NCCL_ASYNC_ERROR_HANDLING", "TORCH_NCCL_ENABLE_MONITORING",
                           "TORCH_NCCL_DUMP_ON_TIMEOUT"}) {
    setenv(name, "0", /*overwrite=*/0);
  }
}

}  // namespace

void dorabooth_nccl_backend(const dorabooth::Store& store, int rank, int size,
                            std::chrono::milliseconds timeout, dorabooth::Backend* backend,
                            std::string* why_not) {
  try {
    // Objects of another version may have another layout.
    int loaded = 0;
    if (ncclGetVersion(&loaded) != ncclSuccess || loaded != NCCL_VERSION_CODE) {
      *why_not =
          dorabooth::concat("NCCL is ", loaded, ", this program was built for ", NCCL_VERSION_CODE);
      return;
    }
    leave_errors_to_wait();
    const auto options = c10d::ProcessGroupNCCL::Options::create();
    options->timeout = timeout;
    *backend = c10::make_intrusive<c10d::ProcessGroupNCCL>(store, rank, size, options);
  } catch (const std::exception& error) {
    const std::string text = error.what();
    *why_not = text.substr(0, text.find('\n'));
  }
}
