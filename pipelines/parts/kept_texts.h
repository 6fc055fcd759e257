// After its share of the steps an adapter changes the text no more: each caption is encoded once,
// without gradient, and kept to the end. Internal to pipelines/train.
#pragma once

#include "pipelines/parts/training_checkpoint.h"
#include "pipelines/parts/training_text.h"
#include "src/base/log.h"

namespace dorabooth {

// Settles every trainer that changes the text and keeps its captions in `text`, which is done once:
// at the first step after the share, or at the first of a run that is resumed beyond it, with the
// same bits.
void keep_texts(const Trainers& trainers, TrainingText& text, const Log& log);

}  // namespace dorabooth
