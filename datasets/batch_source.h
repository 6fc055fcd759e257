// Training batches, each a pure function of (seed, micro-step): which pictures, which posterior
// sample, which noise, which timesteps. A resumed run and every adapter of a twin run get the same
// ones.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "datasets/caption_draws.h"
#include "datasets/example_set.h"
#include "datasets/training_noise.h"

namespace dorabooth {

struct TrainingBatch {
  at::Tensor latents;                 // [rows, channels, h, w] fp32, scaled
  at::Tensor noise;                   // the same shape: what epsilon prediction learns
  at::Tensor input_noise;             // what the sample gets, where that is another; or undefined
  at::Tensor timesteps;               // [rows] int64
  at::Tensor time_ids;                // [rows, 6] fp32
  std::vector<std::string> captions;  // one a row
  int64_t instance_rows = 0;          // the rows after these are class rows
};

class BatchSource {
 public:
  // `class_set` is empty without prior preservation; with it a batch has twice the rows.
  BatchSource(ExampleSet instance_set, std::optional<ExampleSet> class_set, uint64_t seed,
              int64_t batch_size, double scaling_factor, int64_t num_train_timesteps,
              const NoiseOptions& noise = {}, const TimestepOptions& timesteps = {},
              const CaptionOptions& captions = {});

  TrainingBatch batch(int64_t micro_step) const;
  // Examples of one pass over the instance pictures.
  int64_t epoch_size() const { return instance_.examples.size(); }
  // The captions of all pictures, each once, in order of first occurrence; with an empty one where
  // rows may get that. Captions that are shuffled are no more than the beginning.
  std::vector<std::string> captions() const;

 private:
  struct Stream {
    std::string name;
    ExampleSet examples;
  };
  struct Rows;
  void append_rows(const Stream& stream, int64_t micro_step, Rows& rows) const;
  std::string caption_of(const Stream& stream, int64_t example, int64_t micro_step,
                         uint32_t row) const;

  Stream instance_;
  std::optional<Stream> class_;
  uint64_t seed_;
  int64_t batch_size_;
  double scaling_factor_;
  NoiseOptions noise_;
  TimestepDraws timesteps_;
  CaptionOptions caption_options_;
};

}  // namespace dorabooth
