// Examples made of numbers instead of pictures.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "datasets/batch_source.h"

namespace dorabooth::testing {

// Latents [channels, height / 8, width / 8] full of `value`, without spread.
inline Example example_of(const std::string& caption, float value = 0.0f,
                          PictureSize size = {24, 24}, int64_t channels = 2) {
  Example example;
  example.caption = caption;
  example.size = size;
  const at::Tensor mean = at::full({channels, size.height / 8, size.width / 8}, value);
  example.variations.push_back(
      {std::make_shared<const StoredPosterior>(LatentPosterior{mean, at::zeros_like(mean)}),
       at::zeros({6}),
       {}});
  return example;
}

// "<prefix>0", "<prefix>1", … with latents 0, 1, …
inline ExampleSet examples(int64_t count, const std::string& prefix, PictureSize size = {24, 24}) {
  ExampleSet set;
  for (int64_t i = 0; i < count; ++i) {
    set.examples.push_back(example_of(prefix + std::to_string(i), static_cast<float>(i), size));
  }
  return set;
}

inline BatchOptions batches_of(int64_t batch_size, double scaling_factor = 1.0) {
  BatchOptions options;
  options.seed = 3;
  options.batch_size = batch_size;
  options.scaling_factor = scaling_factor;
  return options;
}

}  // namespace dorabooth::testing
