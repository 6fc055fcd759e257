// Training batches, each a pure function of (seed, micro-step): which pictures, which posterior
// sample, which noise, which timesteps. A resumed run and every adapter of a twin run get the same
// ones, and so do the processes of a run on several devices, each of its rows.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "datasets/caption_draws.h"
#include "datasets/example_order.h"
#include "datasets/example_set.h"
#include "datasets/training_noise.h"

namespace dorabooth {

struct TrainingBatch {
  at::Tensor latents;                 // [rows, channels, h, w] fp32, scaled; undefined: no rows
  at::Tensor noise;                   // the same shape: what epsilon prediction learns
  at::Tensor input_noise;             // what the sample gets, where that is another; or undefined
  at::Tensor timesteps;               // [rows] int64
  at::Tensor time_ids;                // [rows, 6] fp32
  std::vector<std::string> captions;  // one a row
  int64_t instance_rows = 0;          // the rows after these are class rows
  at::Tensor loss_weights;            // [rows] fp32 of each row's error, or undefined for 1
  at::Tensor masks;                   // [rows, 1, h, w] fp32 loss weights, or undefined for 1
  // Class rows of another size than the instance rows: a batch of their own, all of it class rows.
  std::shared_ptr<const TrainingBatch> of_class;
  // Rows here over a process's mean share of the whole batch: where processes have different
  // numbers of rows, the mean of their gradients, each weighted by it, is the whole batch's.
  double share = 1.0;

  int64_t rows() const { return latents.defined() ? latents.size(0) : 0; }
};

// Process `rank` of `world` gets the rows [rank·B, (rank+1)·B) of a batch of world·B rows; row
// numbers, and so all draws, are the whole batch's.
struct RowShare {
  int64_t rank = 0;
  int64_t world = 1;
};

struct BatchOptions {
  uint64_t seed = 0;
  int64_t batch_size = 1;  // rows of a process; twice that with class pictures
  RowShare share;
  double scaling_factor = 1.0;
  int64_t num_train_timesteps = 1000;
  NoiseOptions noise;
  TimestepOptions timesteps;
  CaptionOptions captions;
  // Class rows are the instance rows again with their class prompts: their target is what the base
  // predicts.
  bool prior_from_base = false;
};

class BatchSource {
 public:
  // `class_set` is empty without class pictures.
  BatchSource(ExampleSet instance_set, std::optional<ExampleSet> class_set,
              const BatchOptions& options);

  TrainingBatch batch(int64_t micro_step) const;
  // Micro-steps of one pass over the instance pictures.
  int64_t batches_per_epoch() const { return instance_.order.batches_per_epoch(); }
  // Pixels of a micro-step's instance rows, of all processes: what it costs, roughly.
  int64_t pixels(int64_t micro_step) const;
  // The captions of all pictures, each once, in order of first occurrence; with an empty one where
  // rows may get that. Captions that are shuffled are no more than the beginning.
  std::vector<std::string> captions() const;

 private:
  struct Stream {
    Stream(std::string name, ExampleSet set, const BatchOptions& options);

    std::string name;
    ExampleSet set;
    ExampleOrder order;
  };
  struct Rows;
  TrainingBatch rows_of(const Stream& stream, int64_t micro_step) const;
  void append_row(const Stream& stream, const OrderedRow& picked, int64_t micro_step, uint32_t row,
                  Rows& rows) const;
  TrainingBatch stacked(Rows rows, int64_t whole_rows) const;
  void append_prior_rows(TrainingBatch& batch, int64_t micro_step) const;
  std::string caption_of(const Stream& stream, int64_t example, int64_t micro_step,
                         uint32_t row) const;

  BatchOptions options_;
  Stream instance_;
  std::optional<Stream> class_;
  TimestepDraws timesteps_;
};

}  // namespace dorabooth
