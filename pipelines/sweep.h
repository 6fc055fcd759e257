// One training for every point of a grid over settings, each measured on pictures that no run saw:
// the tables and plots of how a setting matters. Several seeds of a point give mean and spread.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "pipelines/progress.h"
#include "pipelines/train.h"

namespace dorabooth {

// What `train` takes, and what varies. OUT = output_dir holds runs/<point>/ (each a training run,
// without its checkpoints unless keep_checkpoints), results.csv (a line a run and adapter),
// table.md and results.json (over the seeds), plot.png and plot.svg.
struct SweepRequest : TrainConfig {
  SweepRequest() { output_dir = "sweep"; }

  std::vector<std::string> field;  // NAME=V1,V2,… or NAME=[JSON values]
  std::string evaluation_data_dir;
  int64_t evaluation_num_timesteps = 20;
  int64_t evaluation_seed = 0;
  int64_t evaluation_batch_size = 8;
  int64_t evaluation_images = 0;
  int64_t evaluation_inference_steps = 25;
  double evaluation_guidance_scale = 3.0;
  bool keep_checkpoints = false;
};

// What is beside train's fields, and all.
const FieldList<SweepRequest>& sweep_own_fields();
const FieldList<SweepRequest>& sweep_fields();

// One point of the grid: its own values by field, in the order of `field`.
using PointValues = std::vector<std::pair<std::string, nlohmann::json>>;

struct SweepPoint {
  PointValues values;
  std::string label;  // "rank=4,seed=0": its folder's name
  TrainConfig config;
};

// All points, the last field varying fastest; output_dir is OUT/runs/<label>. Throws UsageError
// where a field is unknown, may not vary, or has a value twice.
std::vector<SweepPoint> sweep_points(const SweepRequest& request);

// One adapter of one run.
struct SweepMeasure {
  std::string adapter;
  int64_t parameters = 0;
  double loss = 0.0;                     // held-out
  double relative_to_base = 0.0;         // loss / base's − 1
  std::optional<double> image_distance;  // see SweepRun::base_image_distance
};

struct SweepRun {
  PointValues values;
  std::string label;
  std::vector<SweepMeasure> adapters;
  double base_loss = 0.0;
  // Mean distance, by colour and edge histograms, of pictures drawn for the held-out captions from
  // the real ones (datasets/picture_histogram.h).
  std::optional<double> base_image_distance;
  double train_seconds = 0.0;
  double peak_memory_mb = 0.0;  // of the training
  std::string failure;          // why it could not be trained; "" if it was
};

struct Spread {
  double mean = 0.0;
  double deviation = 0.0;  // of a sample (n − 1); 0 for one run
};

// One adapter at one point, over the seeds.
struct SweepRow {
  PointValues values;  // without the seed
  std::string adapter;
  int64_t runs = 0;
  int64_t parameters = 0;
  Spread loss;
  Spread relative_to_base;
  std::optional<Spread> image_distance;
  // relative_to_base less that of the runs' first adapter, seed by seed: they saw the same
  // pictures, noise and timesteps. Absent for the first adapter itself.
  std::optional<Spread> against_first;
  double peak_memory_mb = 0.0;  // largest
};

struct SweepReport {
  std::vector<SweepRun> runs;
  std::vector<SweepRow> rows;
  std::vector<std::string> files;  // written at the end
  bool stopped = false;
};

// A run whose result is there with the same settings is not repeated; one that was cut off goes on
// from its checkpoint. With other settings it is an error that names the first that differs.
SweepReport sweep(const SweepRequest& request, Progress& progress, std::stop_token stop);

// Over the seeds, in the order of the points and of the adapters; failed runs are left out.
std::vector<SweepRow> rows_of(const std::vector<SweepRun>& runs);

}  // namespace dorabooth
