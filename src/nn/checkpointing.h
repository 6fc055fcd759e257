// Gradient checkpointing (Chen et al. 2016): a segment of a model keeps only its inputs and is
// computed again in the backward pass.
#pragma once

#include <torch/nn/module.h>

#include <functional>
#include <vector>

namespace dorabooth::nn {

using Segment = std::function<at::Tensor(const std::vector<at::Tensor>& inputs)>;

// segment(inputs), differentiable in `inputs` and in `parameters`: every tensor that the segment
// reaches by itself and that trains (adapters', above all) must stand there, or it gets no
// gradient. All must be defined. The segment runs twice and must compute the same both times; what
// it refers to must outlive the backward pass.
at::Tensor checkpoint(const Segment& segment, const std::vector<at::Tensor>& inputs,
                      const std::vector<at::Tensor>& parameters);

// What trains inside a module: its own parameters that want a gradient, and those of the adapters
// in the slots of its linear layers.
std::vector<at::Tensor> trainable_tensors(torch::nn::Module& module);

}  // namespace dorabooth::nn
