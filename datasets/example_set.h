// The pictures of a run as the VAE's posteriors: cropped once (a pure function of seed and index),
// encoded once, kept in memory or in a cache on the disk.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "datasets/example_plan.h"
#include "datasets/image_folder.h"
#include "datasets/latent_cache.h"
#include "datasets/loss_mask.h"
#include "src/vae/autoencoder_kl.h"

namespace dorabooth {

struct ExampleRequest : ExampleRule {
  std::vector<CaptionedPicture> pictures;  // each as many examples as it has repeats
  MaskRule masks;
};

// One crop of a picture.
struct ExampleVariation {
  std::shared_ptr<const StoredPosterior> posterior;  // equal crops share one
  at::Tensor time_ids;                               // [6] fp32
  at::Tensor mask;                                   // [1, h, w] fp32 loss weights, or undefined
};

struct Example {
  std::string caption;
  std::vector<std::string> alternatives = {};
  std::optional<std::string> class_prompt = std::nullopt;
  double loss_weight = 1.0;
  PictureSize size = {};                          // pixels of every variation
  std::vector<ExampleVariation> variations = {};  // at least one
};

struct ExampleSet {
  std::vector<Example> examples;

  int64_t size() const { return static_cast<int64_t>(examples.size()); }
  std::vector<std::string> captions() const;  // one an example, without alternatives
};

// [1, 3, height, width] in [-1, 1], as torchvision's ToTensor and Normalize(0.5, 0.5).
at::Tensor image_tensor(const Image& image);

// Crops of one size go through the VAE together up to so many pixels: small ones use its threads
// badly alone.
inline constexpr int64_t kPixelsEncodedTogether = int64_t{8} * 128 * 128;

// `encoded` is called after each example with how many are done. Stops early, returning an empty
// set. `cache` may be null.
ExampleSet encode_examples(const ExampleRequest& request, const AutoencoderKl& vae,
                           const LatentCache* cache, const std::function<void(int64_t)>& encoded,
                           std::stop_token stop);

}  // namespace dorabooth
