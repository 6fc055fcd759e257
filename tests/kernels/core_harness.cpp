// Backends of the kernel tests, their memory and the rule of error.
#include "tests/kernels/core_harness.h"

#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "kernels/element.h"
#include "kernels/emulation/emulated_core.h"
#include "src/base/random_stream.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing {

namespace {

// 16-byte aligned blocks, as device allocations are.
class HostMemory : public CoreMemory {
 public:
  void* put_bytes(const void* data, size_t bytes) override {
    blocks_.emplace_back(bytes / sizeof(Line) + 1);
    if (bytes > 0) std::memcpy(blocks_.back().data(), data, bytes);
    return blocks_.back().data();
  }
  void get_bytes(const void* place, void* out, size_t bytes) const override {
    if (bytes > 0) std::memcpy(out, place, bytes);
  }

 private:
  struct alignas(16) Line {
    char bytes[16];
  };
  std::vector<std::vector<Line>> blocks_;
};

// The CUDA runtime that the CUDA object brings; its functions by name, since the tests link none.
struct CudaRuntime {
  int (*malloc)(void**, size_t) = nullptr;
  int (*free)(void*) = nullptr;
  int (*memcpy)(void*, const void*, size_t, int) = nullptr;
  int (*device_count)(int*) = nullptr;
  const AdapterCore* core = nullptr;
};

template <typename Function>
void find(void* handle, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(handle, name));
}

CudaRuntime open_runtime() {
  CudaRuntime runtime;
  const std::string path = (binary_dir() / "libdorabooth_cuda.so").string();
  if (dlopen("libcuda.so.1", RTLD_NOW) == nullptr) return runtime;
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return runtime;
  find(handle, "cudaMalloc", runtime.malloc);
  find(handle, "cudaFree", runtime.free);
  find(handle, "cudaMemcpy", runtime.memcpy);
  find(handle, "cudaGetDeviceCount", runtime.device_count);
  decltype(&dorabooth_cuda_core) table = nullptr;
  find(handle, "dorabooth_cuda_core", table);
  int devices = 0;
  if (table != nullptr && runtime.device_count(&devices) == 0 && devices > 0) {
    runtime.core = table(kAdapterCoreVersion);
  }
  return runtime;
}

const CudaRuntime& cuda_runtime() {
  static const CudaRuntime runtime = open_runtime();
  return runtime;
}

void check(int status) {
  if (status != 0) throw std::runtime_error("CUDA error " + std::to_string(status));
}

class DeviceMemory : public CoreMemory {
 public:
  ~DeviceMemory() override {
    for (void* block : blocks_) cuda_runtime().free(block);
  }
  void* put_bytes(const void* data, size_t bytes) override {
    void* place = nullptr;
    check(cuda_runtime().malloc(&place, std::max<size_t>(bytes, 16)));
    blocks_.push_back(place);
    constexpr int kHostToDevice = 1;
    check(cuda_runtime().memcpy(place, data, bytes, kHostToDevice));
    return place;
  }
  void get_bytes(const void* place, void* out, size_t bytes) const override {
    constexpr int kDeviceToHost = 2;
    check(cuda_runtime().memcpy(out, place, bytes, kDeviceToHost));
  }

 private:
  std::vector<void*> blocks_;
};

// Three threads and pieces of odd sizes, whatever the grain.
void run_on_threads(void*, int64_t begin, int64_t end, int64_t,
                    void (*body)(void*, int64_t, int64_t), void* state) {
  std::vector<std::thread> threads;
  const int64_t piece = (end - begin) / 3 + 1;
  for (int64_t first = begin; first < end; first += piece) {
    threads.emplace_back([=] { body(state, first, std::min(end, first + piece)); });
  }
  for (std::thread& thread : threads) thread.join();
}

constexpr ParallelFor kThreads = {run_on_threads, nullptr};

std::unique_ptr<CoreMemory> host_memory() { return std::make_unique<HostMemory>(); }

std::vector<Backend> find_backends() {
  std::vector<Backend> found;
  found.push_back({"cpu, 1 thread", &cpu_core(), {}, host_memory});
  found.push_back({"cpu, 3 threads", &cpu_core(), {&kThreads, nullptr}, host_memory});
  found.push_back({"emulated, forward", &emulated_core(LaneOrder::kForward), {}, host_memory});
  found.push_back({"emulated, reverse", &emulated_core(LaneOrder::kReverse), {}, host_memory});
  found.push_back({"emulated, shuffled", &emulated_core(LaneOrder::kShuffled), {}, host_memory});
  if (cuda_runtime().core != nullptr) {
    found.push_back(
        {"cuda", cuda_runtime().core, {}, [] { return std::make_unique<DeviceMemory>(); }});
  }
  return found;
}

double unit_roundoff(ElementType type) {
  switch (type) {
    case ElementType::kFloat16:
      return std::ldexp(1.0, -11);
    case ElementType::kBFloat16:
      return std::ldexp(1.0, -8);
    default:
      return std::ldexp(1.0, -24);
  }
}

template <typename T>
std::vector<T> narrowed(const std::vector<float>& values) {
  std::vector<T> out(values.size());
  for (size_t i = 0; i < values.size(); ++i) narrow(values[i], out[i]);
  return out;
}

template <typename T>
std::vector<float> widened(const std::vector<T>& values) {
  std::vector<float> out(values.size());
  for (size_t i = 0; i < values.size(); ++i) out[i] = widen(values[i]);
  return out;
}

}  // namespace

void* CoreMemory::put_as(ElementType type, const std::vector<float>& values) {
  switch (type) {
    case ElementType::kFloat16:
      return put(narrowed<Float16>(values));
    case ElementType::kBFloat16:
      return put(narrowed<BFloat16>(values));
    default:
      return put(values);
  }
}

std::vector<float> CoreMemory::get_as(ElementType type, const void* place, size_t count) const {
  switch (type) {
    case ElementType::kFloat16:
      return widened(get(static_cast<const Float16*>(place), count));
    case ElementType::kBFloat16:
      return widened(get(static_cast<const BFloat16*>(place), count));
    default:
      return get(static_cast<const float*>(place), count);
  }
}

const std::vector<Backend>& backends() {
  static const std::vector<Backend> found = find_backends();
  return found;
}

std::vector<float> rounded(ElementType type, std::vector<float> values) {
  if (type == ElementType::kFloat16) return widened(narrowed<Float16>(values));
  if (type == ElementType::kBFloat16) return widened(narrowed<BFloat16>(values));
  return values;
}

std::vector<float> normal_values(const std::string& name, size_t count, float scale) {
  std::vector<float> values(count);
  RandomStream(7, name).normal(0, 0, values);
  for (float& value : values) value *= scale;
  return values;
}

std::string type_name(ElementType type) {
  if (type == ElementType::kFloat16) return "float16";
  return type == ElementType::kBFloat16 ? "bfloat16" : "float32";
}

void expect_within_twice_naive(const std::vector<float>& actual, const std::vector<float>& naive,
                               const std::vector<double>& exact, ElementType type) {
  ASSERT_EQ(actual.size(), exact.size());
  double naive_error = 0;
  double largest = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    naive_error = std::max(naive_error, std::fabs(static_cast<double>(naive[i]) - exact[i]));
    largest = std::max(largest, std::fabs(exact[i]));
  }
  const double bound = 2 * naive_error + unit_roundoff(type) * largest;
  for (size_t i = 0; i < exact.size(); ++i) {
    ASSERT_LE(std::fabs(static_cast<double>(actual[i]) - exact[i]), bound)
        << "element " << i << ": " << actual[i] << ", exactly " << exact[i] << ", naively "
        << naive[i];
  }
}

}  // namespace dorabooth::testing
