// The loss of one adapter on one batch of a run, text and prior preservation included. Internal to
// pipelines/train.
#pragma once

#include "pipelines/parts/denoising_loss.h"
#include "pipelines/parts/training_text.h"

namespace dorabooth {

class BatchLoss {
 public:
  // All references outlive it. `cached_text`: whether `text` can be asked for its cached rows.
  BatchLoss(const SdxlBundle& bundle, const Ddpm& schedule, const TrainingText& text,
            bool cached_text, ObjectiveConfig objective, bool prior_from_base)
      : bundle_(bundle),
        schedule_(schedule),
        text_(text),
        cached_text_(cached_text),
        objective_(std::move(objective)),
        prior_from_base_(prior_from_base) {}

  // What the base predicts for the class rows: the same for all adapters of a run. Nothing is
  // attached. Undefined where class rows have targets of their own.
  at::Tensor prior_target(const TrainingBatch& batch) const;
  // By what is attached now. `live`: that changes the text in every step; otherwise the text is the
  // base's, or `adapter`'s where that is kept. Undefined if the batch has no rows.
  at::Tensor of(const TrainingBatch& batch, bool live, const at::Tensor& prior_target,
                const std::string& adapter = "") const;

 private:
  const SdxlBundle& bundle_;
  const Ddpm& schedule_;
  const TrainingText& text_;
  bool cached_text_;
  ObjectiveConfig objective_;
  bool prior_from_base_;
};

}  // namespace dorabooth
