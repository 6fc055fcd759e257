// The adapters that a training run left in its checkpoints.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dorabooth {

struct CheckpointAdapter {
  std::string adapter;  // its folder in a twin run ("dora"); "" where the run has one
  int64_t step = 0;
  std::string path;  // of the tensors
};

// Of every checkpoint-N in a run's output folder, by adapter and step. Throws if there is none.
std::vector<CheckpointAdapter> checkpoint_adapters(const std::string& run_folder);

}  // namespace dorabooth
