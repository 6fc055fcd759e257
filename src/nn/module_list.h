// Numbered children under one name ("resnets.0", "resnets.1"), so that a model's keys equal
// diffusers' ModuleLists; a skipped index (a dropout in the reference) is simply not set.
#pragma once

#include <torch/nn/module.h>

#include <memory>
#include <string>

namespace dorabooth::nn {

class ModuleList : public torch::nn::Module {
 public:
  template <typename M>
  std::shared_ptr<M> set(size_t index, std::shared_ptr<M> module) {
    return register_module(std::to_string(index), std::move(module));
  }
};

}  // namespace dorabooth::nn
