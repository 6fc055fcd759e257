// Golden tensors as torch tensors, and comparisons with |a-b| <= atol + rtol*|b|.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

namespace dorabooth::testing {

// All tensors of one .safetensors fixture, copied into memory; at(name) throws with the file's
// name.
class GoldenFile {
 public:
  explicit GoldenFile(const std::string& name);
  at::Tensor at(const std::string& name) const;
  bool contains(const std::string& name) const { return tensors_.count(name) > 0; }
  const std::map<std::string, at::Tensor>& all() const { return tensors_; }

 private:
  std::string name_;
  std::map<std::string, at::Tensor> tensors_;
};

// gtest failures that name the tensor and the worst element.
void expect_close(const at::Tensor& actual, const at::Tensor& expected, double atol, double rtol,
                  const std::string& name);
// max|a-b| <= fraction * max|b|.
void expect_close_to_largest(const at::Tensor& actual, const at::Tensor& expected, double fraction,
                             const std::string& name);

}  // namespace dorabooth::testing
