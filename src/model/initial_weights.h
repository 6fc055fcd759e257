// Weights of a model that is trained from nothing: what torch.nn and transformers start theirs
// with, drawn from this program's random streams.
#pragma once

#include <cstdint>
#include <string>

#include "src/clip/clip_text_model.h"

namespace dorabooth {

// UNet and autoencoder as torch.nn: matrices and convolutions, and their biases, uniform within
// ±1/sqrt(inputs of one output) (kaiming_uniform with a = sqrt(5)); norms 1 and 0. Every parameter
// becomes fp32 on the CPU, a function of (seed, `name`, its own name).
void initialise(torch::nn::Module& model, uint64_t seed, const std::string& name);

// A text encoder as transformers' CLIPPreTrainedModel._init_weights: normal with deviations of
// width and depth; biases 0.
void initialise(ClipTextModel& model, uint64_t seed, const std::string& name);

}  // namespace dorabooth
