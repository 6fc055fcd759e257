// Base of the layers that own parameters: created empty (on the meta device too), filled by a
// loader. The registered names are the diffusers keys, so a state dict needs no mapping table.
#pragma once

#include <torch/nn/module.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace dorabooth::nn {

class Layer : public torch::nn::Module {
 public:
  // Replaces the parameter `name` (same shape; dtype and device may differ).
  void assign(const std::string& name, at::Tensor value);
  // Puts back parameters that are kept in another form.
  virtual void restore() {}

  // All parameters in whatever form they are kept, and the same put back after others were
  // assigned: nothing is copied, and nothing that was derived from them is made again.
  struct Kept {
    std::vector<at::Tensor> values;
    std::shared_ptr<const void> form;
  };
  Kept keep() const;
  void put_back(const Kept& kept);

 protected:
  // Registers an uninitialised frozen parameter and returns it.
  at::Tensor& declare(const std::string& name, at::IntArrayRef shape,
                      const at::TensorOptions& options);
  // The current value of a declared parameter; an undefined tensor if it was not declared.
  const at::Tensor& value(const std::string& name) const;
  // Called after assign: refresh whatever was derived from the parameters.
  virtual void on_assigned() {}
  // What a layer holds beside its registered parameters; set_form() comes after those.
  virtual std::shared_ptr<const void> form() const { return nullptr; }
  virtual void set_form(const std::shared_ptr<const void>& /*form*/) {}
};

// Every parameter under `root` in registration order: full name, its layer and its name there.
// Parameters that layers keep in another form are restored first.
struct LayerParameter {
  std::string full_name;
  Layer* layer = nullptr;
  std::string name;
  at::Tensor value;
};
std::vector<LayerParameter> layer_parameters(torch::nn::Module& root);

}  // namespace dorabooth::nn
