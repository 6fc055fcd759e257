// What a step, a sampling step, a load and a merge cost on this machine, on the shapes of
// bench/peer_bench.py: random weights in SDXL's architecture at three sizes.
#pragma once

#include <stop_token>

#include "pipelines/progress.h"
#include "src/config/field_list.h"

namespace dorabooth {

struct BenchRequest {
  std::string what = "step";    // step, sample, load, merge
  std::string preset = "tiny";  // tiny, mid, full: channels and depths as in peer_bench.py
  std::vector<std::string> variant = {};  // none, lora, dora, merged; empty: all that apply
  std::string dtype = "fp32";
  int64_t rank = 16;
  int64_t batch = 1;
  int64_t latent = 32;  // latent height and width
  int64_t text = 2048;  // cross-attention width
  int64_t rounds = 5;
  int64_t threads = 1;
  std::string device = "auto";
  std::optional<std::string>
      pretrained_model_name_or_path;  // load: a folder instead of random weights
};

const FieldList<BenchRequest>& bench_fields();

struct BenchLine {
  std::string what;
  std::string variant;
  double cpu_seconds_min = 0.0;
  double cpu_seconds_median = 0.0;
  double wall_seconds_median = 0.0;
  double peak_mb = 0.0;
  double extra_mb = 0.0;  // above the resident size before the first repetition
};

struct BenchReport {
  std::vector<BenchLine> lines;
};

BenchReport bench(const BenchRequest& request, Progress& progress, std::stop_token stop);

}  // namespace dorabooth
