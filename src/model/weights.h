// The tensors of one component of a base, read on demand.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <unordered_map>
#include <vector>

#include "src/model/stored_tensor.h"

namespace dorabooth {

class Weights {
 public:
  // `where` opens error messages: the folder or file and the component.
  Weights(std::string where, std::vector<StoredTensor> tensors);

  const std::string& where() const { return where_; }
  const std::vector<StoredTensor>& stored() const { return tensors_; }
  const StoredTensor* find(const std::string& name) const;  // nullptr if absent
  const StoredTensor& at(const std::string& name) const;    // throws with the nearest name

  // On the CPU in the file's dtype, over the mapped file where the bytes allow it: read-only.
  at::Tensor tensor(const std::string& name) const;
  // A copy in this dtype on this device; reads the file without mapping its pages.
  at::Tensor copy(const std::string& name, at::ScalarType dtype, at::Device device) const;

 private:
  std::string where_;
  std::vector<StoredTensor> tensors_;
  std::unordered_map<std::string, size_t> index_of_name_;
};

}  // namespace dorabooth
