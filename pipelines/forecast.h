// What a training run needs, before anything of it is allocated: parameters and memory, from the
// headers of the base's files and the sizes of the pictures. Activations are counted tensor by
// tensor for this program's own layers, so the numbers are this program's, not another trainer's.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "pipelines/train.h"

namespace dorabooth {

// What decides beside the config.
struct RunSize {
  int64_t width = 0;  // of the largest pictures that are trained, in pixels
  int64_t height = 0;
  int64_t examples = 0;  // whose latents are kept
  int64_t captions = 0;  // whose embeddings are kept
};

struct MemoryPart {
  std::string name;
  double mb = 0.0;
};

struct MemoryForecast {
  std::vector<MemoryPart> parts;  // that are there at the peak
  double peak_mb = 0.0;           // of the process on a CPU, of the device on CUDA
};

struct RunForecast {
  std::vector<std::pair<std::string, int64_t>> parameters;  // of unet, text_encoder, …, vae
  std::vector<std::pair<std::string, int64_t>> trainable;   // of every adapter
  MemoryForecast memory;
  double without_checkpointing_mb = 0.0;  // peaks of the same run otherwise
  double with_checkpointing_mb = 0.0;
  double without_caches_mb = 0.0;  // latents and embeddings on the disk, no text cache
  double limit_mb = 0.0;           // what there is
  // Flags of the smallest change that fits, if the run does not: first what changes nothing in the
  // result, then what changes little; "" where it fits or nothing does.
  std::string smallest_change;

  bool fits() const { return memory.peak_mb <= limit_mb; }
};

// `sharing`: how many processes of the run share this machine's memory; a GPU belongs to one.
RunForecast forecast_run(const TrainConfig& config, const RunSize& size, int64_t sharing = 1);
// Of the config's own pictures, whose headers are read.
RunForecast forecast_training(const TrainConfig& config);

// For people: the memory alone, and everything in a few lines.
std::string forecast_line(const RunForecast& forecast);
std::string forecast_text(const RunForecast& forecast);

// Throws where the run does not fit, with the numbers and the smallest change.
void refuse_what_does_not_fit(const RunForecast& forecast);

}  // namespace dorabooth
