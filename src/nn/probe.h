// Shows intermediate results to a test by their module names ("down_blocks.1.resnets.0"). An empty
// probe costs one comparison a call. A shown tensor may be overwritten afterwards: copy to keep.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>

namespace dorabooth::nn {

class Probe {
 public:
  using Observer = std::function<void(const std::string& name, const at::Tensor& value)>;

  Probe() = default;
  explicit Probe(Observer observer, std::string prefix = "")
      : observer_(std::move(observer)), prefix_(std::move(prefix)) {}

  void show(const std::string& name, const at::Tensor& value) const {
    if (observer_) observer_(prefix_ + name, value);
  }
  // The probe of the submodule `list`.`index`.
  Probe inside(const std::string& list, size_t index) const {
    return observer_ ? Probe(observer_, prefix_ + list + "." + std::to_string(index) + ".")
                     : Probe();
  }
  Probe inside(const std::string& module) const {
    return observer_ ? Probe(observer_, prefix_ + module + ".") : Probe();
  }

 private:
  Observer observer_;
  std::string prefix_;
};

}  // namespace dorabooth::nn
