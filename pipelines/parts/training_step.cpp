// Every process computes the gradient of its rows, weighted so that the sum over processes is the
// whole batch's.
#include "pipelines/parts/training_step.h"

#include <ATen/ATen.h>

#include <cmath>

#include "pipelines/parts/trainer_options.h"
#include "src/base/error.h"

namespace dorabooth {

namespace {

[[noreturn]] void fail_not_finite(const std::string& what, double value, int64_t step) {
  fail(what, " is ", value, " in step ", step + 1, ": the run ends");
}

}  // namespace

// `number` counts micro-steps from the start of the run: it selects the dropout masks.
void TrainingStep::micro_step(size_t index, const TrainingBatch& batch,
                              const at::Tensor& prior_target, int64_t number) {
  AdapterTrainer& trainer = *parts_.trainers[index];
  trainer.set_training(true, static_cast<uint64_t>(number));
  const AdapterTrainer::Attached scope = trainer.attach();
  const bool live = parts_.train_text.contains(&trainer) && !parts_.text.keeps(trainer.name());
  const auto shares =
      static_cast<double>(parts_.config.gradient_accumulation_steps * parts_.processes.size());
  for (const TrainingBatch& part : parts_of(batch)) {
    trainer.set().set_rows(parts_.processes.rows_of(part, parts_.config.train_batch_size));
    const at::Tensor loss = parts_.batch_loss.of(part, live, prior_target, trainer.name());
    if (!loss.defined()) continue;  // a short batch has no rows for this process
    losses_[index] += loss.item<double>() / shares;
    trainer.accumulate(loss, 1.0 / shares);
  }
}

// One trainer's gradients are added up while the next one's are computed.
void TrainingStep::begin_sum(size_t index) {
  if (!parts_.processes.group()) return;
  const double stop = parts_.stop.stop_requested() ? 1.0 : 0.0;
  parts_.trainers[index]->begin_sum(*parts_.processes.group(), {losses_[index], stop});
}

void TrainingStep::end_sum(size_t index, int64_t step) {
  if (parts_.processes.group()) {
    const std::vector<double> sums = parts_.trainers[index]->end_sum();
    losses_[index] = sums[0];
    stop_agreed_ |= sums[1] > 0;
  }
  // Here and not before the sum: then all processes find the same.
  if (!std::isfinite(losses_[index])) {
    fail_not_finite("the loss of " + parts_.trainers[index]->name(), losses_[index], step);
  }
}

void TrainingStep::run(int64_t step) {
  const size_t count = parts_.trainers.size();
  losses_.assign(count, 0.0);
  grad_norms_.assign(count, 0.0);
  const int64_t accumulation = parts_.config.gradient_accumulation_steps;
  for (int64_t micro = 0; micro < accumulation; ++micro) {
    const int64_t number = step * accumulation + micro;
    const TrainingBatch batch = parts_.batches.batch(number);
    const at::Tensor prior_target = parts_.batch_loss.prior_target(batch);
    for (size_t i = 0; i < count; ++i) {
      micro_step(i, batch, prior_target, number);
      if (micro + 1 == accumulation) begin_sum(i);
    }
  }
  for (size_t i = 0; i < count; ++i) {
    end_sum(i, step);
    AdapterTrainer& trainer = *parts_.trainers[i];
    grad_norms_[i] = trainer.step(parts_.lr.factor(step, trainer.learning_rate()));
    check_gradient(i, step);
  }
}

void TrainingStep::check_gradient(size_t index, int64_t step) const {
  const AdapterTrainer& trainer = *parts_.trainers[index];
  if (std::isfinite(grad_norms_[index])) return;
  if (parts_.config.mixed_precision != "fp16" || trainer.loss_scale() < 1.0) {
    fail_not_finite("the gradient norm of " + trainer.name(), grad_norms_[index], step);
  }
  parts_.log.info(concat("step ", step + 1, ": the gradient of ", trainer.name(),
                         " overflowed fp16 and is left out; the loss scale is now ",
                         trainer.loss_scale()));
}

}  // namespace dorabooth
