// Mean squared errors and their combination.
#include "src/objective/loss.h"

#include <ATen/ATen.h>

#include "src/base/error.h"

namespace dorabooth {

at::Tensor mse_by_sample(const at::Tensor& prediction, const at::Tensor& target) {
  if (prediction.sizes() != target.sizes() || prediction.dim() < 2) {
    fail("the prediction has shape ", shape_text(prediction.sizes().vec()), ", its target ",
         shape_text(target.sizes().vec()));
  }
  return (prediction.to(at::kFloat) - target.to(at::kFloat)).square().flatten(1).mean(1);
}

at::Tensor weighted_mse(const at::Tensor& prediction, const at::Tensor& target,
                        const at::Tensor& weights) {
  const at::Tensor errors = mse_by_sample(prediction, target);
  if (!weights.defined()) return errors.mean();
  if (weights.sizes() != errors.sizes()) {
    fail("loss weights have shape ", shape_text(weights.sizes().vec()), ", want one for each of ",
         errors.size(0), " rows");
  }
  return (errors * weights).mean();
}

TrainingLoss training_loss(const ObjectiveConfig& config, const Ddpm& ddpm,
                           const at::Tensor& prediction, const at::Tensor& target,
                           const at::Tensor& timesteps, int64_t class_rows) {
  const int64_t instance_rows = prediction.size(0) - class_rows;
  if (class_rows < 0 || instance_rows < 1 || timesteps.dim() != 1 ||
      timesteps.size(0) != prediction.size(0)) {
    fail("a batch of ", prediction.size(0), " rows with ", class_rows, " class rows and ",
         timesteps.numel(), " timesteps has no loss");
  }
  at::Tensor weights;
  if (config.snr_gamma) {
    weights = min_snr_weights(ddpm.snr(timesteps.slice(0, 0, instance_rows)), *config.snr_gamma,
                              config.prediction_type, config.snr_form)
                  .to(prediction.device());
  }
  TrainingLoss loss;
  loss.instance = weighted_mse(prediction.slice(0, 0, instance_rows),
                               target.slice(0, 0, instance_rows), weights);
  loss.total = loss.instance;
  if (class_rows > 0) {
    loss.prior =
        weighted_mse(prediction.slice(0, instance_rows), target.slice(0, instance_rows), {});
    loss.total = loss.instance + config.prior_loss_weight * loss.prior;
  }
  return loss;
}

}  // namespace dorabooth
