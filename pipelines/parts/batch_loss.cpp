// Instance rows, class rows beside them or in a batch of their own.
#include "pipelines/parts/batch_loss.h"

#include <ATen/ATen.h>

namespace dorabooth {

namespace {
const std::string kBase;
}  // namespace

at::Tensor BatchLoss::prior_target(const TrainingBatch& batch) const {
  if (!prior_from_base_ || batch.rows() == 0) return {};
  const at::NoGradGuard no_grad;
  const std::vector<std::string> captions(batch.captions.begin() + batch.instance_rows,
                                          batch.captions.end());
  return base_prediction(*bundle_.unet, schedule_, batch,
                         cached_text_ ? text_.cached(captions) : text_.live(captions),
                         cached_text_ ? text_.products(captions) : nullptr);
}

at::Tensor BatchLoss::of(const TrainingBatch& batch, bool live, const at::Tensor& prior_target,
                         const std::string& adapter) const {
  const std::string& kept = text_.keeps(adapter) ? adapter : kBase;

  const auto embeds = [&](const TrainingBatch& part) {
    return live ? text_.live(part.captions) : text_.cached(part.captions, kept);
  };
  const auto products = [&](const TrainingBatch& part) {
    return live ? nullptr : text_.products(part.captions, kept);
  };
  at::Tensor total;
  if (batch.rows() > 0) {
    total = denoising_loss(*bundle_.unet, schedule_, batch, embeds(batch), objective_,
                           products(batch), prior_target);
  }
  if (!batch.of_class || batch.of_class->rows() == 0) return total;
  const at::Tensor prior =
      prior_loss(*bundle_.unet, schedule_, *batch.of_class, embeds(*batch.of_class), objective_,
                 products(*batch.of_class));
  return total.defined() ? total + prior : prior;
}

}  // namespace dorabooth
