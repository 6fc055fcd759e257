#include "pipelines/parts/kept_texts.h"

#include "src/base/error.h"

namespace dorabooth {

void keep_texts(const Trainers& trainers, TrainingText& text, const Log& log) {
  for (const auto& trainer : trainers) {
    if (!trainer->changes_text() || text.keeps(trainer->name())) continue;
    trainer->settle_text();
    trainer->set_training(false, 0);
    const AdapterTrainer::Attached scope = trainer->attach();
    text.keep(trainer->name());
    log.info(concat(trainer->name(), ": what it makes of prompts stays as it is from here on"));
  }
}

}  // namespace dorabooth
