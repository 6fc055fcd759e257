// The weights by prediction type.
#include "src/objective/min_snr.h"

#include <ATen/ATen.h>

#include "src/base/error.h"

namespace dorabooth {

at::Tensor min_snr_weights(const at::Tensor& snr, double gamma, const std::string& prediction_type,
                           SnrForm form) {
  if (!(gamma > 0)) fail("snr_gamma must be above 0, got ", gamma);
  const at::Tensor capped = snr.clamp_max(gamma);
  if (prediction_type == "sample") return capped;
  const bool velocity = prediction_type == "v_prediction";
  if (!velocity && prediction_type != "epsilon") {
    fail("prediction_type '", prediction_type, "' is not one of epsilon, v_prediction, sample");
  }
  if (velocity && form == SnrForm::kPaper) return capped / (snr + 1);
  const at::Tensor quotient = at::where(snr == 0, at::ones_like(snr), capped / snr);
  return velocity ? quotient + 1 : quotient;
}

}  // namespace dorabooth
