// The denoising loss of a batch: mean squared error, weighted by sample, plus prior preservation.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>

#include "src/objective/min_snr.h"
#include "src/scheduler/noise_schedule.h"

namespace dorabooth {

struct ObjectiveConfig {
  std::string prediction_type = "epsilon";
  std::optional<double> snr_gamma;  // min-SNR weighting of the instance rows
  SnrForm snr_form = SnrForm::kAddOne;
  double prior_loss_weight = 1.0;
};

// mean((prediction - target)²) of every row in fp32: [batch].
at::Tensor mse_by_sample(const at::Tensor& prediction, const at::Tensor& target);

// The mean over rows of weight * mse; `weights` [batch] fp32, or undefined for 1.
at::Tensor weighted_mse(const at::Tensor& prediction, const at::Tensor& target,
                        const at::Tensor& weights);

struct TrainingLoss {
  at::Tensor total;     // what is differentiated, a scalar
  at::Tensor instance;  // the instance rows' share, with min-SNR weights
  at::Tensor prior;     // the class rows' share before its weight; undefined without class rows
};

// loss = mse(instance rows) + prior_loss_weight * mse(class rows) (DreamBooth, Ruiz et al. 2023).
// The last `class_rows` rows are class pictures, 0 for none. min-SNR weights apply to instance
// rows.
TrainingLoss training_loss(const ObjectiveConfig& config, const Ddpm& ddpm,
                           const at::Tensor& prediction, const at::Tensor& target,
                           const at::Tensor& timesteps, int64_t class_rows);

}  // namespace dorabooth
