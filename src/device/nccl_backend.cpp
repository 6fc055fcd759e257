// Opens libdorabooth_nccl.so, which lies beside our kernels' object.
#include <dlfcn.h>

#include <filesystem>

#include "src/base/error.h"
#include "src/device/collective_backend.h"
#include "src/device/cuda_objects.h"
#include "src/device/nccl/nccl_object.h"

namespace dorabooth {

Backend make_nccl_backend(const Store& store, int rank, int size, std::chrono::milliseconds timeout,
                          std::string* why_not) {
  const std::string path = cuda_objects().folder + "/libdorabooth_nccl.so";
  if (!std::filesystem::exists(path)) {
    *why_not = "this build has no " + path;
    return {};
  }
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    *why_not = concat("NCCL's object does not open: ", dlerror());
    return {};
  }
  const auto make =
      reinterpret_cast<decltype(&dorabooth_nccl_backend)>(dlsym(handle, "dorabooth_nccl_backend"));
  if (make == nullptr) {
    *why_not = path + " belongs to another version of this program";
    return {};
  }
  Backend backend;
  make(store, rank, size, timeout, &backend, why_not);
  return backend;
}

}  // namespace dorabooth
