// Opens the CUDA side by dlopen: driver, LibTorch's libtorch_cuda.so, our kernels, in this order.
#include "src/device/cuda_objects.h"

#include <dlfcn.h>
#include <link.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "src/base/error.h"

namespace dorabooth {

namespace {

namespace fs = std::filesystem;

constexpr const char* kKernels = "libdorabooth_cuda.so";

// Devices that the driver offers (its own interface: cuInit, cuDeviceGetCount); 0 if there is none.
int driver_device_count(void* driver) {
  using Init = int (*)(unsigned);
  using Count = int (*)(int*);
  const auto init = reinterpret_cast<Init>(dlsym(driver, "cuInit"));
  const auto count = reinterpret_cast<Count>(dlsym(driver, "cuDeviceGetCount"));
  int devices = 0;
  if (init == nullptr || count == nullptr || init(0) != 0 || count(&devices) != 0) return 0;
  return devices;
}

// The folder from which this process took libtorch_cpu.so; empty if it is linked statically.
fs::path libtorch_folder() {
  std::string path;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* found) {
        const std::string name = info->dlpi_name;
        if (name.find("libtorch_cpu.so") == std::string::npos) return 0;
        *static_cast<std::string*>(found) = name;
        return 1;
      },
      &path);
  return fs::path(path).parent_path();
}

std::string last_error() {
  const char* text = dlerror();
  return text == nullptr ? "unknown error" : text;
}

CudaObjects missing(const std::string& what) {
  CudaObjects objects;
  objects.missing = what;
  return objects;
}

CudaObjects open_objects() {
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (driver == nullptr) return missing("there is no NVIDIA driver (libcuda.so.1)");
  CudaObjects objects;
  objects.device_count = driver_device_count(driver);
  if (objects.device_count == 0) {
    const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
    return missing(concat("the NVIDIA driver finds no device",
                          visible ? concat(" (CUDA_VISIBLE_DEVICES is '", visible, "')") : ""));
  }

  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  fs::path kernels;
  for (const fs::path& folder : {program, program / ".." / "lib"}) {
    if (fs::exists(folder / kKernels, ignored)) kernels = folder / kKernels;
  }
  if (kernels.empty()) {
    return missing(concat("this is a CPU build (no ", kKernels, " in ", program.string(), ")"));
  }
  const fs::path torch = libtorch_folder() / "libtorch_cuda.so";
  if (dlopen(torch.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    return missing(concat("LibTorch's CUDA side does not open (", last_error(), ")"));
  }
  void* handle = dlopen(kernels.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return missing(concat("our kernels do not open (", last_error(), ")"));
  const auto table =
      reinterpret_cast<decltype(&dorabooth_cuda_core)>(dlsym(handle, "dorabooth_cuda_core"));
  objects.core = table == nullptr ? nullptr : table(kAdapterCoreVersion);
  if (objects.core == nullptr) {
    return missing(concat(kernels.string(), " belongs to another version of this program"));
  }
  objects.folder = kernels.parent_path().string();
  return objects;
}

}  // namespace

const CudaObjects& cuda_objects() {
  static const CudaObjects objects = open_objects();
  return objects;
}

}  // namespace dorabooth
