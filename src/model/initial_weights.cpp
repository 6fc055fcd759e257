// The deviations of transformers' CLIP: embeddings 0.02; q, k, v width^-1/2 (2 layers)^-1/2; out
// width^-1/2; fc1 (2 width)^-1/2; fc2 as q, k, v; the projection width^-1/2.
#include "src/model/initial_weights.h"

#include <ATen/ATen.h>

#include <cmath>
#include <span>

#include "src/base/random_stream.h"
#include "src/nn/layer.h"

namespace dorabooth {

namespace {

std::span<float> values_of(at::Tensor& tensor) {
  return {tensor.mutable_data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

at::Tensor uniform(const RandomStream& stream, at::IntArrayRef shape, double bound) {
  at::Tensor value = at::empty(shape, at::kFloat);
  stream.uniform(0, 0, values_of(value));
  return value.mul_(2 * bound).sub_(bound);
}

at::Tensor normal(const RandomStream& stream, at::IntArrayRef shape, double deviation) {
  at::Tensor value = at::empty(shape, at::kFloat);
  stream.normal(0, 0, values_of(value));
  return value.mul_(deviation);
}

bool ends_with(const std::string& text, const char* end) { return text.ends_with(end); }

double clip_deviation(const std::string& name, const ClipTextConfig& config) {
  const auto width = static_cast<double>(config.hidden_size);
  const double depth = 1.0 / std::sqrt(2.0 * static_cast<double>(config.num_hidden_layers));
  if (ends_with(name, "embedding.weight")) return 0.02;
  if (ends_with(name, "fc1.weight")) return 1.0 / std::sqrt(2.0 * width);
  if (ends_with(name, "out_proj.weight") || ends_with(name, "text_projection.weight"))
    return 1.0 / std::sqrt(width);
  return depth / std::sqrt(width);
}

}  // namespace

void initialise(torch::nn::Module& model, uint64_t seed, const std::string& name) {
  double bound = 0.0;  // of the layer's weight, which stands before its bias
  for (const nn::LayerParameter& parameter : nn::layer_parameters(model)) {
    const std::vector<int64_t> shape = parameter.value.sizes().vec();
    const RandomStream stream(seed, "init/" + name + "." + parameter.full_name);
    const bool is_weight = parameter.name == "weight";
    if (is_weight && shape.size() == 1) {
      bound = 0.0;
      parameter.layer->assign(parameter.name, at::ones(shape, at::kFloat));
      continue;
    }
    if (is_weight) {
      int64_t inputs = 1;
      for (size_t i = 1; i < shape.size(); ++i) inputs *= shape[i];
      bound = 1.0 / std::sqrt(static_cast<double>(inputs));
    }
    parameter.layer->assign(parameter.name, uniform(stream, shape, bound));
  }
}

void initialise(ClipTextModel& model, uint64_t seed, const std::string& name) {
  for (const nn::LayerParameter& parameter : nn::layer_parameters(model)) {
    const std::vector<int64_t> shape = parameter.value.sizes().vec();
    const RandomStream stream(seed, "init/" + name + "." + parameter.full_name);
    at::Tensor value;
    if (shape.size() == 1) {
      value =
          parameter.name == "weight" ? at::ones(shape, at::kFloat) : at::zeros(shape, at::kFloat);
    } else {
      value = normal(stream, shape, clip_deviation(parameter.full_name, model.config()));
    }
    parameter.layer->assign(parameter.name, value);
  }
}

}  // namespace dorabooth
