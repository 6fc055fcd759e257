// Draws in diffusers' order from LibTorch's CPU generators.
#include "src/scheduler/sampling_noise.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "src/base/error.h"

namespace dorabooth {

TorchNoise::TorchNoise(const std::vector<uint64_t>& seeds) {
  if (seeds.empty()) fail("noise needs at least one seed");
  for (const uint64_t seed : seeds) generators_.push_back(at::detail::createCPUGenerator(seed));
}

at::Tensor TorchNoise::draw(at::IntArrayRef sizes, at::ScalarType dtype) {
  if (generators_.size() == 1) return at::randn(sizes, generators_[0], dtype);
  if (sizes.empty() || sizes[0] != static_cast<int64_t>(generators_.size())) {
    fail("noise of shape ", shape_text(sizes.vec()), " was asked of ", generators_.size(),
         " seeds; want one row for each");
  }
  std::vector<int64_t> row = sizes.vec();
  row[0] = 1;
  std::vector<at::Tensor> rows;
  for (const at::Generator& generator : generators_) {
    rows.push_back(at::randn(row, generator, dtype));
  }
  return at::cat(rows);
}

}  // namespace dorabooth
