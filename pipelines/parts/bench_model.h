// The random bases that bench measures: SDXL's architecture with the presets' numbers. Internal to
// pipelines/bench.
#pragma once

#include <filesystem>
#include <memory>

#include "pipelines/bench.h"
#include "src/scheduler/scheduler_config.h"
#include "src/unet/unet.h"

namespace dorabooth {

// Standard normal values on the CPU.
at::Tensor random_normal(const std::string& stream, uint64_t step, at::IntArrayRef sizes);

std::shared_ptr<UNet> random_unet(const BenchRequest& request, at::Device device);

// What the UNet gets for `rows` rows besides timesteps.
UNetInputs random_inputs(const BenchRequest& request, int64_t rows, at::Device device);

// A diffusers folder. Its text encoders have the widths that fit the UNet where a load is measured
// and are small otherwise.
void write_random_base(const std::filesystem::path& folder, const BenchRequest& request);

// The sampler's settings of SDXL: Euler.
SchedulerConfig bench_scheduler();

}  // namespace dorabooth
