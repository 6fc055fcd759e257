// The pictures of a run as the VAE's posteriors: cropped once (a pure function of seed and index),
// encoded once, kept in memory.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "datasets/example_plan.h"
#include "datasets/image_folder.h"
#include "src/vae/autoencoder_kl.h"

namespace dorabooth {

struct ExampleRequest : ExampleRule {
  std::vector<CaptionedPicture> pictures;
};

struct ExampleSet {
  std::vector<std::string> captions;                   // one an example
  std::vector<std::vector<std::string>> alternatives;  // further ones of every example, or empty
  at::Tensor mean;      // [examples, channels, h, w] fp32, not scaled
  at::Tensor std;       // the same
  at::Tensor time_ids;  // [examples, 6] fp32

  int64_t size() const { return static_cast<int64_t>(captions.size()); }
};

// [1, 3, height, width] in [-1, 1], as torchvision's ToTensor and Normalize(0.5, 0.5).
at::Tensor image_tensor(const Image& image);

// `encoded` is called after each picture with how many are done. Stops early, returning an empty
// set.
ExampleSet encode_examples(const ExampleRequest& request, const AutoencoderKl& vae,
                           const std::function<void(int64_t)>& encoded, std::stop_token stop);

}  // namespace dorabooth
