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
// come to the same thing have one text. modelspec.date and kohya's times of start and end are there
// only where SOURCE_DATE_EPOCH gives one, for all of them; ss_session_id, a random number of
// kohya's that no reader needs, never.
std::map<std::string, std::string> training_metadata(const TrainConfig& config,
                                                     const TrainingNumbers& numbers);

// ss_steps and ss_epoch of an adapter that is saved after `step` steps.
void note_step(std::map<std::string, std::string>& metadata, int64_t step, int64_t epoch_steps);

}  // namespace dorabooth
