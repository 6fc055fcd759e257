// The denoising loss of pictures that do not train, at fixed noise and timesteps: the same draws
// for every model, so that differences are the models'.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/example_set.h"
#include "src/model/bundle.h"
#include "src/model/prompt_encoding.h"
#include "src/scheduler/noise_schedule.h"

namespace dorabooth {

// Mean squared error of the prediction over pictures × stratified timesteps, unweighted, from the
// posterior's mean, with noise that is a function of (seed, picture, timestep).
class HeldOutLoss {
 public:
  HeldOutLoss(ExampleSet examples, uint64_t seed, int64_t num_timesteps, double scaling_factor);

  std::vector<std::string> captions() const { return examples_.captions(); }
  int64_t pictures() const { return examples_.size(); }
  int64_t rows() const { return examples_.size() * num_timesteps_; }
  // The k-th timestep of every picture.
  int64_t timestep(int64_t k, const Ddpm& schedule) const;

  // The losses of rows [first, last), which may be of pictures of several sizes (picture 0 timestep
  // 0, picture 0 timestep 1, …), by the UNet with what is attached to it; `embeds` has a row a
  // picture.
  std::vector<double> losses(const SdxlBundle& bundle, const Ddpm& schedule,
                             const std::string& prediction_type, const PromptEmbeds& embeds,
                             int64_t first, int64_t last) const;
  // Their sum.
  double sum(const SdxlBundle& bundle, const Ddpm& schedule, const std::string& prediction_type,
             const PromptEmbeds& embeds, int64_t first, int64_t last) const;

 private:
  at::Tensor losses_of_one_size(const SdxlBundle& bundle, const Ddpm& schedule,
                                const std::string& prediction_type, const PromptEmbeds& embeds,
                                int64_t first, int64_t last) const;

  ExampleSet examples_;
  uint64_t seed_;
  int64_t num_timesteps_;
  double scaling_factor_;
};

}  // namespace dorabooth
