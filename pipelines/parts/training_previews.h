// Pictures drawn during training: previews of base and adapters at fixed seeds, and missing class
// pictures. Internal to pipelines/train.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <stop_token>
#include <utility>
#include <vector>

#include "pipelines/parts/picture_text.h"
#include "pipelines/parts/training_checkpoint.h"
#include "pipelines/progress.h"
#include "src/model/bundle.h"
#include "src/report/tensorboard.h"

namespace dorabooth {

// Rows are the validation prompts at num_validation_images seeds (the run's seed and the following
// ones), columns the base and every adapter. Files, events, the sheet and the pictures in
// `tensorboard` are described in pipelines/train.h. A preview that cannot be drawn is a warning: it
// must not end a run.
class TrainingPreviews {
 public:
  // `tensorboard` may be null; the others outlive it.
  TrainingPreviews(const TrainConfig& config, const SdxlBundle& bundle,
                   TensorboardFile* tensorboard, Progress& progress, std::stop_token stop);

  // With the averages where the trainers have them. The base is drawn at the first call, or read
  // back where an earlier process of the run has drawn it.
  void draw(const Trainers& trainers, int64_t step);

 private:
  struct Row {
    size_t prompt = 0;  // of config.validation_prompt
    int64_t seed = 0;
  };
  struct Shown {
    size_t row = 0;
    int64_t column = 0;
    std::string name;  // of the column
    Image picture;
    std::filesystem::path file;
  };

  std::string file_name(const std::string& column, const Row& row) const;
  SampleRequest request_of(const Row& row) const;
  PngText text_of(const Row& row, bool is_base) const;
  bool is_drawn(const std::filesystem::path& file, const Row& row) const;
  bool draw_column(const std::string& name, int64_t column, const std::filesystem::path& folder,
                   int64_t step);
  void show(const Shown& shown, int64_t step) const;
  void write_sheet(const Trainers& trainers, int64_t step) const;
  // What the action returns; true, with a warning, where it fails.
  bool try_to(const std::string& what, int64_t step, const std::function<bool()>& action) const;

  const TrainConfig& config_;
  const SdxlBundle& bundle_;
  TensorboardFile* tensorboard_;
  Progress& progress_;
  Log log_;
  std::stop_token stop_;
  std::filesystem::path folder_;
  GenerationPlan plan_;
  std::vector<Row> rows_;
  std::map<std::pair<size_t, int64_t>, std::filesystem::path> cells_;  // row, column: its picture
};

// Fills class_data_dir up to num_class_images with pictures of class_prompt from the base alone, by
// the sampler's defaults; class-K.png has seed run seed + K, so that a second run draws only what
// is missing.
void make_class_pictures(const TrainConfig& config, const SdxlBundle& bundle, Progress& progress,
                         std::stop_token stop);

// The same before the training base is loaded, where prior_generation_precision asks for another
// type than mixed_precision: a base of that type draws and is gone. Otherwise nothing.
void make_class_pictures_apart(const TrainConfig& config, Progress& progress, std::stop_token stop);

}  // namespace dorabooth
