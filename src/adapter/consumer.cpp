// Few lines a consumer; nothing of this program's own adapter arithmetic is used.
#include "src/adapter/consumer.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "src/base/error.h"

namespace dorabooth {

namespace {

constexpr double kEpsilon = std::numeric_limits<float>::epsilon();

at::Tensor as_matrix(const at::Tensor& factor) { return factor.flatten(1); }

// The alpha/rank that the consumer knows: a tensor beside the module, or a config.
double scale_of(Consumer consumer, const StoredAdapter& file, const std::string& name,
                const StoredModule& module) {
  const auto rank = static_cast<double>(module.down.size(0));
  if (module.alpha) return *module.alpha / rank;
  const bool knows_config = consumer == Consumer::kPeft || consumer == Consumer::kDiffusers;
  const auto config = file.configs.find(component_of(name));
  if (!knows_config || config == file.configs.end()) return 1.0;
  const double alpha = config->second.alpha_of(path_in_component(name));
  return alpha / (config->second.use_rslora ? std::sqrt(rank) : rank);
}

at::Tensor update_of(Consumer consumer, const StoredAdapter& file, const std::string& name,
                     const StoredModule& module) {
  return scale_of(consumer, file, name, module) *
         at::matmul(as_matrix(module.up), as_matrix(module.down));
}

at::Tensor row_norms(const at::Tensor& weight) { return weight.norm(2, {1}, /*keepdim=*/true); }
at::Tensor column_norms(const at::Tensor& weight) { return weight.norm(2, {0}, /*keepdim=*/true); }

// What broadcasting makes of it; an error where PyTorch has one.
at::Tensor broadcast(const at::Tensor& magnitude, const at::Tensor& norms,
                     const at::Tensor& weight) {
  const at::Tensor ratio = magnitude / norms;
  const at::Tensor result = ratio * weight;
  if (result.sizes() != weight.sizes()) {
    fail("a magnitude ", shape_text(magnitude.sizes().vec()), " does not fit a weight ",
         shape_text(weight.sizes().vec()));
  }
  return result;
}

at::Tensor lerp(const at::Tensor& weight, const at::Tensor& merged, double strength) {
  return strength == 1.0 ? merged : weight + strength * (merged - weight);
}

// The file's magnitude without the trailing ones of a convolution.
at::Tensor flat_shape(const at::Tensor& magnitude) {
  at::Tensor result = magnitude;
  while (result.dim() > 2 && result.size(-1) == 1) result = result.squeeze(-1);
  return result;
}

// Rows where the first length is the number of rows, by the norm of W alone; else columns, by that
// of the changed W.
at::Tensor comfyui(const at::Tensor& weight, const at::Tensor& update, const at::Tensor& magnitude,
                   double strength) {
  const at::Tensor changed = weight + update;
  const at::Tensor norms =
      magnitude.size(0) == weight.size(0) ? row_norms(weight) : column_norms(changed);
  return lerp(weight, broadcast(magnitude, norms + kEpsilon, changed), strength);
}

at::Tensor by_columns(const at::Tensor& weight, const at::Tensor& update,
                      const at::Tensor& magnitude, double strength) {
  const at::Tensor changed = weight + update;
  return lerp(weight, broadcast(magnitude, column_norms(changed), changed), strength);
}

// By shape; one length alone by which side it fits, columns first. PEFT's spelling is a column.
at::Tensor sdnext(const at::Tensor& weight, const at::Tensor& update, const StoredModule& module,
                  double strength) {
  at::Tensor magnitude = flat_shape(module.magnitude);
  if (module.magnitude_role == AdapterRole::kMagnitudeVector) {
    magnitude = magnitude.reshape({-1, 1});
  } else if (magnitude.dim() == 1) {
    magnitude =
        magnitude.size(0) == weight.size(1) ? magnitude.unsqueeze(0) : magnitude.unsqueeze(1);
  }
  const at::Tensor changed = weight + update;
  const bool rows = magnitude.size(0) == weight.size(0) && magnitude.size(1) == 1;
  const at::Tensor norms = rows ? row_norms(changed) : column_norms(changed);
  return lerp(weight, broadcast(magnitude, norms, changed), strength);
}

at::Tensor lycoris(const at::Tensor& weight, const at::Tensor& update, const at::Tensor& magnitude,
                   double strength) {
  const at::Tensor changed = weight + update;
  const bool rows = magnitude.size(0) == weight.size(0);
  const at::Tensor norms = (rows ? row_norms(changed) : column_norms(changed)) + kEpsilon;
  const at::Tensor gain = magnitude / norms;
  return (strength * (gain - 1) + 1) * changed;
}

at::Tensor peft(const at::Tensor& weight, const at::Tensor& update, const StoredModule& module,
                double strength) {
  const at::Tensor changed = weight + strength * update;
  if (!module.magnitude.defined() || module.magnitude_role != AdapterRole::kMagnitudeVector) {
    return changed;
  }
  return module.magnitude.reshape({-1, 1}) / row_norms(changed) * changed;
}

// ComfyUI knows diffusers' names of text encoders, and of the UNet the oldest spelling.
bool comfyui_knows(const std::string& key) {
  return key.starts_with("text_encoder") || key.find(".processor.") != std::string::npos;
}

}  // namespace

const std::vector<Consumer>& all_consumers() {
  static const std::vector<Consumer> all = {
      Consumer::kDiffusers, Consumer::kPeft,       Consumer::kComfyUi,
      Consumer::kA1111,     Consumer::kInvokeAi,   Consumer::kSdNext,
      Consumer::kLycoris,   Consumer::kKohyaMerge, Consumer::kStableDiffusionCpp};
  return all;
}

const char* consumer_title(Consumer consumer) {
  switch (consumer) {
    case Consumer::kDiffusers:
      return "diffusers";
    case Consumer::kPeft:
      return "PEFT";
    case Consumer::kComfyUi:
      return "ComfyUI, Forge";
    case Consumer::kA1111:
      return "A1111";
    case Consumer::kInvokeAi:
      return "InvokeAI";
    case Consumer::kSdNext:
      return "SD.Next";
    case Consumer::kLycoris:
      return "LyCORIS' merge";
    case Consumer::kKohyaMerge:
      return "kohya's merge";
    case Consumer::kStableDiffusionCpp:
      return "stable-diffusion.cpp";
  }
  return "";
}

const char* consumer_strength_rule(Consumer consumer) {
  if (consumer == Consumer::kDiffusers || consumer == Consumer::kPeft) return "peft";
  return consumer == Consumer::kLycoris ? "lycoris" : "lerp";
}

std::string unread_reason(Consumer consumer, const StoredAdapter& file,
                          const StoredModule& module) {
  if (!module.down.defined() || !module.up.defined()) return "it has a magnitude alone";
  if (file.layout == AdapterLayout::kPeft) {
    return consumer == Consumer::kPeft ? "" : "it reads no PEFT folder";
  }
  if (consumer == Consumer::kPeft) return "it reads PEFT's folders alone";
  if (file.layout == AdapterLayout::kKohya) return "";
  if (file.layout == AdapterLayout::kComfyUi) {
    return consumer == Consumer::kComfyUi ? "" : "it does not know ComfyUI's bare paths";
  }
  if (consumer == Consumer::kDiffusers || consumer == Consumer::kSdNext) return "";
  if (consumer == Consumer::kComfyUi && comfyui_knows(module.key)) return "";
  return "it does not know diffusers' names";
}

at::Tensor consumer_weight(Consumer consumer, const StoredAdapter& file,
                           const std::string& module_name, const StoredModule& module,
                           const at::Tensor& weight, double strength) {
  const at::NoGradGuard no_grad;
  const at::Tensor update = update_of(consumer, file, module_name, module);
  const at::Tensor plain = weight + strength * update;
  const bool is_dora_scale =
      module.magnitude.defined() && module.magnitude_role == AdapterRole::kDoraScale;
  const at::Tensor magnitude =
      module.magnitude.defined() ? flat_shape(module.magnitude) : at::Tensor();
  switch (consumer) {
    case Consumer::kDiffusers:
    case Consumer::kPeft:
      return peft(weight, update, module, strength);
    case Consumer::kComfyUi:
      return is_dora_scale ? comfyui(weight, update, magnitude, strength) : plain;
    case Consumer::kA1111:
    case Consumer::kInvokeAi:
      return is_dora_scale ? by_columns(weight, update, magnitude, strength) : plain;
    case Consumer::kSdNext:
      return magnitude.defined() ? sdnext(weight, update, module, strength) : plain;
    case Consumer::kLycoris:
      return is_dora_scale ? lycoris(weight, update, magnitude, strength) : plain;
    case Consumer::kKohyaMerge:
    case Consumer::kStableDiffusionCpp:
      return plain;
  }
  return plain;
}

}  // namespace dorabooth
