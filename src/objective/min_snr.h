// Min-SNR loss weights (Hang et al. 2023, "Efficient diffusion training via min-SNR weighting").
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace dorabooth {

// How v prediction is weighted: the DreamBooth scripts add 1 to the weight of noise prediction, the
// paper divides min(snr, gamma) by snr + 1.
enum class SnrForm { kAddOne, kPaper };

// One weight for each value of `snr` [batch]: min(snr, gamma) / snr for epsilon, that plus 1 or
// min(snr, gamma) / (snr + 1) for v_prediction, min(snr, gamma) for sample. At snr = 0 the quotient
// is its limit, 1.
at::Tensor min_snr_weights(const at::Tensor& snr, double gamma, const std::string& prediction_type,
                           SnrForm form);

}  // namespace dorabooth
