// Where a sampler's noise comes from: torch's CPU generators used as diffusers uses them, or
// anything else that can be drawn from.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace dorabooth {

class NoiseSource {
 public:
  virtual ~NoiseSource() = default;
  // Standard normal values of this shape and dtype on the CPU.
  virtual at::Tensor draw(at::IntArrayRef sizes, at::ScalarType dtype) = 0;
};

// diffusers' randn_tensor with CPU generators: one seed draws the whole batch from one generator;
// several seeds are a generator for each row of the batch.
class TorchNoise : public NoiseSource {
 public:
  explicit TorchNoise(const std::vector<uint64_t>& seeds);
  at::Tensor draw(at::IntArrayRef sizes, at::ScalarType dtype) override;

 private:
  std::vector<at::Generator> generators_;
};

}  // namespace dorabooth
