// Errors by sample and their combination.
#include "src/objective/loss.h"

#include <ATen/ATen.h>

#include <cmath>

#include "src/base/error.h"

namespace dorabooth {

namespace {

constexpr double kLargestSnr = 1000.0;

}  // namespace

at::Tensor mse_by_sample(const at::Tensor& prediction, const at::Tensor& target) {
  if (prediction.sizes() != target.sizes() || prediction.dim() < 2) {
    fail("the prediction has shape ", shape_text(prediction.sizes().vec()), ", its target ",
         shape_text(target.sizes().vec()));
  }
  return (prediction.to(at::kFloat) - target.to(at::kFloat)).square().flatten(1).mean(1);
}

at::Tensor huber_thresholds(const ErrorForm& form, const Ddpm& ddpm, const at::Tensor& timesteps) {
  const double c = form.huber_c;
  if (!(c > 0)) fail("huber_c must be above 0, got ", c);
  const at::Tensor ones = at::ones({timesteps.size(0)}, at::kFloat);
  if (form.huber_schedule == "constant") return ones * c;
  if (form.huber_schedule == "exponential") {
    const double rate = -std::log(c) / static_cast<double>(ddpm.num_train_timesteps());
    return (timesteps.cpu().to(at::kFloat) * -rate).exp();
  }
  if (form.huber_schedule != "snr") {
    fail("huber_schedule '", form.huber_schedule, "' is not one of constant, exponential, snr");
  }
  const at::Tensor sigma = ddpm.snr(timesteps).cpu().reciprocal().sqrt();
  return (1 - c) / (1 + sigma).square() + c;
}

at::Tensor error_by_sample(const ErrorForm& form, const Ddpm& ddpm, const at::Tensor& prediction,
                           const at::Tensor& target, const at::Tensor& timesteps,
                           const at::Tensor& masks) {
  if (form.loss_type == "l2" && !masks.defined()) return mse_by_sample(prediction, target);
  const bool huber = form.loss_type == "huber";
  if (!huber && form.loss_type != "smooth_l1" && form.loss_type != "l2") {
    fail("loss_type '", form.loss_type, "' is not one of l2, huber, smooth_l1");
  }
  if (prediction.sizes() != target.sizes() || prediction.dim() < 2) {
    fail("the prediction has shape ", shape_text(prediction.sizes().vec()), ", its target ",
         shape_text(target.sizes().vec()));
  }
  const at::Tensor d = prediction.to(at::kFloat) - target.to(at::kFloat);
  at::Tensor error = d.square();
  if (form.loss_type != "l2") {
    std::vector<int64_t> row(static_cast<size_t>(prediction.dim()), 1);
    row[0] = -1;
    const at::Tensor c = huber_thresholds(form, ddpm, timesteps).to(prediction.device()).view(row);
    error = 2 * ((error + c.square()).sqrt() - c);
    if (huber) error = c * error;
  }
  if (masks.defined()) error = error * masks.to(error.device());
  return error.flatten(1).mean(1);
}

at::Tensor edm_weights(const std::string& prediction_type, const Ddpm& ddpm,
                       const at::Tensor& timesteps) {
  if (prediction_type != "v_prediction") return {};
  const at::Tensor snr = ddpm.snr(timesteps);  // ac/(1 - ac)
  return snr / (snr + 1);
}

at::Tensor weighted_mean(const at::Tensor& errors, const at::Tensor& weights) {
  if (!weights.defined()) return errors.mean();
  if (weights.sizes() != errors.sizes()) {
    fail("loss weights have shape ", shape_text(weights.sizes().vec()), ", want one for each of ",
         errors.size(0), " rows");
  }
  return (errors * weights).mean();
}

at::Tensor weighted_mse(const at::Tensor& prediction, const at::Tensor& target,
                        const at::Tensor& weights) {
  return weighted_mean(mse_by_sample(prediction, target), weights);
}

TrainingLoss training_loss(const ObjectiveConfig& config, const Ddpm& ddpm,
                           const at::Tensor& prediction, const at::Tensor& target,
                           const at::Tensor& timesteps, int64_t class_rows,
                           const GivenWeights& given) {
  const int64_t instance_rows = prediction.size(0) - class_rows;
  if (class_rows < 0 || instance_rows < 1 || timesteps.dim() != 1 ||
      timesteps.size(0) != prediction.size(0)) {
    fail("a batch of ", prediction.size(0), " rows with ", class_rows, " class rows and ",
         timesteps.numel(), " timesteps has no loss");
  }
  at::Tensor masks = given.masks;
  if (masks.defined() && class_rows > 0) {
    masks = at::cat({masks, at::ones_like(masks.slice(0, 0, 1)).repeat({class_rows, 1, 1, 1})});
  }
  at::Tensor errors = error_by_sample(config.error, ddpm, prediction, target, timesteps, masks);
  if (config.edm) {
    const at::Tensor of_row = edm_weights(config.prediction_type, ddpm, timesteps);
    if (of_row.defined()) errors = errors * of_row.to(errors.device());
  }
  at::Tensor snr;
  if (config.snr_gamma || config.debiased_estimation) {
    snr = ddpm.snr(timesteps.slice(0, 0, instance_rows));
  }
  at::Tensor weights;
  if (config.snr_gamma) {
    weights = min_snr_weights(snr, *config.snr_gamma, config.prediction_type, config.snr_form);
  }
  if (config.debiased_estimation) {
    const at::Tensor debiased = snr.clamp_max(kLargestSnr).rsqrt();
    weights = weights.defined() ? weights * debiased : debiased;
  }
  if (given.rows.defined()) {
    weights = weights.defined() ? weights * given.rows.to(weights.device()) : given.rows;
  }
  if (weights.defined()) weights = weights.to(prediction.device());
  TrainingLoss loss;
  loss.instance = weighted_mean(errors.slice(0, 0, instance_rows), weights);
  loss.total = loss.instance;
  if (class_rows > 0) {
    loss.prior = errors.slice(0, instance_rows).mean();
    loss.total = loss.instance + config.prior_loss_weight * loss.prior;
  }
  return loss;
}

}  // namespace dorabooth
