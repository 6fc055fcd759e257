// Runs an op of the adapter core on every backend there is: the CPU twin on 1 and 3 threads, the
// emulated CUDA kernels under three lane orders, and a CUDA device if there is one.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/adapter_core.h"

namespace dorabooth::testing {

// Memory of a backend: put() copies in, get() copies out; freed with the object.
class CoreMemory {
 public:
  virtual ~CoreMemory() = default;
  virtual void* put_bytes(const void* data, size_t bytes) = 0;
  virtual void get_bytes(const void* place, void* out, size_t bytes) const = 0;

  template <typename T>
  T* put(const std::vector<T>& values) {
    return static_cast<T*>(put_bytes(values.data(), values.size() * sizeof(T)));
  }
  template <typename T>
  std::vector<T> get(const T* place, size_t count) const {
    std::vector<T> values(count);
    get_bytes(place, values.data(), count * sizeof(T));
    return values;
  }
  // Values rounded to `type`, and such values back as floats.
  void* put_as(ElementType type, const std::vector<float>& values);
  std::vector<float> get_as(ElementType type, const void* place, size_t count) const;
};

struct Backend {
  std::string name;
  const AdapterCore* core;
  Execution on;
  std::function<std::unique_ptr<CoreMemory>()> memory;
};

const std::vector<Backend>& backends();

// Values as they are after rounding to `type`.
std::vector<float> rounded(ElementType type, std::vector<float> values);

// Standard normal values of a stream named `name`, times `scale`.
std::vector<float> normal_values(const std::string& name, size_t count, float scale = 1.0f);

std::string type_name(ElementType type);
inline constexpr ElementType kTypes[] = {ElementType::kFloat32, ElementType::kFloat16,
                                         ElementType::kBFloat16};

// The rule of error: max|actual − exact| ≤ 2·max|naive − exact| plus the one rounding to `type`
// that no kernel can avoid. `naive` is the plain expression in the data's own type.
void expect_within_twice_naive(const std::vector<float>& actual, const std::vector<float>& naive,
                               const std::vector<double>& exact, ElementType type);

}  // namespace dorabooth::testing
