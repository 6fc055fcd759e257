// The loss of the pictures that a run holds out: what tells learning from learning by heart.
// Internal to pipelines/train.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "datasets/image_folder.h"
#include "pipelines/parts/adapter_trainer.h"
#include "pipelines/parts/held_out_loss.h"
#include "pipelines/parts/training_text.h"
#include "pipelines/train.h"

namespace dorabooth {

// Takes the share `validation_split` of the pictures, drawn by the seed, out of the folder. At
// least one is taken and one is left.
ImageFolder hold_out_pictures(const TrainConfig& config, ImageFolder& folder);

class TrainingValidation {
 public:
  // Measures the base: nothing is attached. All references outlive it.
  TrainingValidation(HeldOutLoss loss, const SdxlBundle& bundle, const Ddpm& schedule,
                     const TrainingText& text, std::string prediction_type, int64_t batch_size);

  double base() const { return base_; }
  int64_t pictures() const { return loss_.pictures(); }
  // With the trainer's averages where there are some; `live`: its adapters change the text too.
  double of(AdapterTrainer& trainer, bool live) const;

  // Remembers the lowest.
  void note(const std::string& name, int64_t step, double loss);
  // What the metrics of an earlier part of the run say.
  void note_metrics(const std::filesystem::path& metrics);
  // "lowest held-out loss 0.07 after step 200 (…)" of a name that was noted, for people.
  std::string best_of(const std::string& name, const std::filesystem::path& output) const;

 private:
  double mean(const PromptEmbeds& embeds) const;

  struct Best {
    int64_t step = 0;
    double loss = 0.0;
  };
  HeldOutLoss loss_;
  const SdxlBundle& bundle_;
  const Ddpm& schedule_;
  const TrainingText& text_;
  std::string prediction_type_;
  int64_t batch_size_;
  double base_ = 0.0;
  std::map<std::string, Best> best_;
};

}  // namespace dorabooth
