// What a layer, a step, a sampling step, a load and a merge cost on this machine, on the shapes of
// peer_bench.py: random weights in SDXL's architecture at three sizes.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <stop_token>

#include "pipelines/progress.h"
#include "src/config/field_list.h"

namespace dorabooth {

struct BenchRequest {
  std::string what = "step";    // product, layer, step, sample, load, merge
  std::string preset = "tiny";  // tiny, mid, full: channels and depths as in peer_bench.py
  std::vector<std::string> variant = {};  // empty: all that apply
  std::string dtype = "fp32";
  int64_t rank = 16;
  int64_t batch = 1;
  int64_t latent = 32;                  // latent height and width
  int64_t text = 2048;                  // cross-attention width
  int64_t text_cache_mb = 256;          // step: as in training
  bool gradient_checkpointing = false;  // step: as in training
  // product, layer: one matrix [out, in] and so many rows of its input.
  int64_t in_features = 1280;
  int64_t out_features = 1280;
  int64_t tokens = 1024;
  bool input_gradient = true;  // without: keys and values of text that does not train
  std::string dora_norm_gradient = "detached";  // layer, step: what DoRA's norm is to the gradient
  int64_t rounds = 5;
  int64_t threads = 1;
  std::string device = "auto";
  std::optional<std::string>
      pretrained_model_name_or_path;  // load, merge: a base instead of a random one
};

const FieldList<BenchRequest>& bench_fields();

// Seconds are of one repetition; of a sampling step where `what` is "sample"; from the start of the
// process to the first output of the UNet where it is "load".
struct BenchLine {
  std::string what;
  std::string variant;
  double cpu_seconds_min = 0.0;
  double cpu_seconds_median = 0.0;
  double wall_seconds_median = 0.0;
  double peak_mb = 0.0;
  double extra_mb = 0.0;  // above the resident size before the first repetition
};

// The median over rounds of the quotient of processor times within one round.
struct BenchRatio {
  std::string variant;
  std::string to;
  double cpu = 0.0;
};

struct BenchReport {
  std::vector<BenchLine> lines;
  std::vector<BenchRatio> ratios;
  bool stopped = false;
};

// Every variant runs in a process of its own (`worker`, called as `worker bench-worker TASK`), so
// that peak memory is its own; they take turns round by round, so that noise falls on all alike.
BenchReport bench(const BenchRequest& request, Progress& progress, std::stop_token stop,
                  const std::filesystem::path& worker = "/proc/self/exe");

// The other end: answers the lines that bench() writes to `in` until it ends.
void serve_bench(const std::string& task, std::istream& in, std::ostream& out);

}  // namespace dorabooth
