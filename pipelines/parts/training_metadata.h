// What an adapter's file says of the training that made it: kohya's ss_* entries and ModelSpec's,
// which other programs show. Internal to pipelines/train.
#pragma once

#include <map>
#include <string>

#include "pipelines/train.h"

namespace dorabooth {

// What the settings came to.
struct TrainingNumbers {
  int64_t pictures = 0;
  int64_t steps = 0;
  int64_t epoch_steps = 1;
  double learning_rate = 0.0;  // after scale_lr
};

// The same for an adapter of a twin run and one trained alone, and for a run and its repetition:
// nothing of the machine or the hour is in it, and no setting that changes no bit; settings that
// come to the same thing have one text. modelspec.date
// is there only where SOURCE_DATE_EPOCH gives one.
std::map<std::string, std::string> training_metadata(const TrainConfig& config,
                                                     const TrainingNumbers& numbers);

}  // namespace dorabooth
