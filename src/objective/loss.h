// The denoising loss of a batch: squared or Huber error, weighted by sample, plus prior
// preservation.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>

#include "src/objective/min_snr.h"
#include "src/scheduler/noise_schedule.h"

namespace dorabooth {

// What a difference d of prediction and target costs, with a threshold c:
//   l2: d²;  huber: 2c·(sqrt(d² + c²) − c);  smooth_l1: 2·(sqrt(d² + c²) − c)
// (pseudo-Huber, as kohya's scripts and diffusers' scheduled Huber script have it).
struct ErrorForm {
  std::string loss_type = "l2";
  // How c follows the timestep: constant; exponential, from 1 at t = 0 towards huber_c; snr,
  // (1 − huber_c)/(1 + σ)² + huber_c with σ = sqrt((1 − ac)/ac).
  std::string huber_schedule = "snr";
  double huber_c = 0.1;
};

struct ObjectiveConfig {
  std::string prediction_type = "epsilon";
  std::optional<double> snr_gamma;  // min-SNR weighting of the instance rows
  SnrForm snr_form = SnrForm::kAddOne;
  // The loss of the scripts' EDM-style training (Karras et al. 2022), see edm_weights. With neither
  // of the weights by SNR.
  bool edm = false;
  bool debiased_estimation = false;  // weight 1/sqrt(min(snr, 1000)) (Yu et al. 2023)
  ErrorForm error;
  double prior_loss_weight = 1.0;
};

// mean((prediction - target)²) of every row in fp32: [batch].
at::Tensor mse_by_sample(const at::Tensor& prediction, const at::Tensor& target);

// c for every timestep: [batch] fp32.
at::Tensor huber_thresholds(const ErrorForm& form, const Ddpm& ddpm, const at::Tensor& timesteps);

// The mean error of every row in that form: [batch]. `masks` [batch, 1, h, w] weights the elements
// before their mean (kohya's masked loss: what is masked out counts as no error); undefined for 1.
at::Tensor error_by_sample(const ErrorForm& form, const Ddpm& ddpm, const at::Tensor& prediction,
                           const at::Tensor& target, const at::Tensor& timesteps,
                           const at::Tensor& masks = {});

// What diffusers' scripts call EDM-style training, on a base with discrete noise levels
// sigma = sqrt((1 - ac)/ac): the UNet gets (x0 + sigma·n)/sqrt(sigma² + 1), which is what it gets
// anyway; from its output x0 is computed, and sigma^-2·(x0' - x0)² is the loss. That is (n' - n)²
// of a noise prediction, and ac·(v' - v)² of a velocity prediction. Weights [batch] fp32 of the
// plain error, undefined where they are all 1.
at::Tensor edm_weights(const std::string& prediction_type, const Ddpm& ddpm,
                       const at::Tensor& timesteps);

// The mean over rows of weight * error; `weights` [batch] fp32, or undefined for 1.
at::Tensor weighted_mean(const at::Tensor& errors, const at::Tensor& weights);
at::Tensor weighted_mse(const at::Tensor& prediction, const at::Tensor& target,
                        const at::Tensor& weights);

struct TrainingLoss {
  at::Tensor total;     // what is differentiated, a scalar
  at::Tensor instance;  // the instance rows' share, weighted
  at::Tensor prior;     // the class rows' share before its weight; undefined without class rows
};

// Weights of instance rows beside those by SNR.
struct GivenWeights {
  at::Tensor rows;   // [instance rows] fp32, or undefined for 1
  at::Tensor masks;  // [instance rows, 1, h, w] fp32, or undefined for 1
};

// loss = error(instance rows) + prior_loss_weight * error(class rows) (DreamBooth, Ruiz et al.
// 2023). The last `class_rows` rows are class pictures, 0 for none. The weights by SNR and the
// given ones apply to instance rows.
TrainingLoss training_loss(const ObjectiveConfig& config, const Ddpm& ddpm,
                           const at::Tensor& prediction, const at::Tensor& target,
                           const at::Tensor& timesteps, int64_t class_rows,
                           const GivenWeights& given = {});

}  // namespace dorabooth
