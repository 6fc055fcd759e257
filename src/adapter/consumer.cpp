// Few lines a consumer; nothing of this program's own adapter arithmetic is used.
#include "src/adapter/consumer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "src/adapter/consumer_update.h"
#include "src/base/error.h"
#include "src/tensorfile/header.h"

namespace dorabooth {

namespace {

constexpr double kEpsilon = std::numeric_limits<float>::epsilon();

// By output rows [out, 1, …] and by input columns [1, in, 1, …], all other axes flattened.
at::Tensor row_norms(const at::Tensor& weight) {
  std::vector<int64_t> shape(static_cast<size_t>(weight.dim()), 1);
  shape[0] = weight.size(0);
  return weight.flatten(1).norm(2, {1}).reshape(shape);
}
at::Tensor column_norms(const at::Tensor& weight) {
  return row_norms(weight.transpose(0, 1)).transpose(0, 1);
}

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

// The file's magnitude without ones behind the weight's own axes.
at::Tensor flat_shape(const at::Tensor& magnitude, const at::Tensor& weight) {
  at::Tensor result = magnitude;
  while (result.dim() > weight.dim() && result.size(-1) == 1) result = result.squeeze(-1);
  return result;
}

std::vector<int64_t> as_rows(const at::Tensor& weight) {
  std::vector<int64_t> shape(static_cast<size_t>(weight.dim()), 1);
  shape[0] = -1;
  return shape;
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
  at::Tensor magnitude = flat_shape(module.magnitude, weight);
  const bool columns = magnitude.dim() == 1 && magnitude.size(0) == weight.size(1);
  if (module.magnitude_role == AdapterRole::kMagnitudeVector ||
      (magnitude.dim() == 1 && !columns)) {
    magnitude = magnitude.reshape(as_rows(weight));
  } else if (columns) {
    magnitude = magnitude.reshape(as_rows(weight)).transpose(0, 1);
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
  return module.magnitude.reshape(as_rows(weight)) / row_norms(changed) * changed;
}

// ComfyUI knows diffusers' names of text encoders, and of the UNet's attention projections the
// oldest spelling.
bool comfyui_knows(const std::string& key) {
  return key.starts_with("text_encoder") || key.find(".processor.") != std::string::npos ||
         (key.starts_with("unet.") && key.find(".to_") == std::string::npos);
}

// diffusers takes a file for an invalid checkpoint where a key has no "lora" in it, and for kohya's
// only where all keys begin as kohya's do.
std::string diffusers_refusal(const StoredAdapter& file) {
  const auto stranger = std::ranges::find_if(
      file.keys, [](const std::string& key) { return key.find("lora") == std::string::npos; });
  if (stranger != file.keys.end())
    return concat("it refuses the file for ", quoted_name(*stranger));
  if (file.layout != AdapterLayout::kKohya) return "";
  const auto other = std::ranges::find_if(file.keys, [](const std::string& key) {
    return !key.starts_with("lora_unet_") && !key.starts_with("lora_te");
  });
  return other == file.keys.end() ? "" : concat("it does not know ", quoted_name(*other));
}

bool is_one_of(Consumer consumer, std::initializer_list<Consumer> list) {
  return std::ranges::find(list, consumer) != list.end();
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
  const bool is_pair = module.algebra == Algebra::kLora;
  if (module.algebra == Algebra::kNone ||
      (is_pair && !(module.down.defined() && module.up.defined())))
    return "it has a magnitude alone";
  if (file.layout == AdapterLayout::kPeft) {
    return consumer == Consumer::kPeft ? "" : "it reads no PEFT folder";
  }
  if (consumer == Consumer::kPeft) return "it reads PEFT's folders alone";
  if (consumer == Consumer::kDiffusers) {
    const std::string refusal = diffusers_refusal(file);
    if (!refusal.empty()) return refusal;
  }
  if (file.layout == AdapterLayout::kKohya) return "";
  if (file.layout == AdapterLayout::kComfyUi) {
    return consumer == Consumer::kComfyUi ? "" : "it does not know ComfyUI's bare paths";
  }
  if (consumer == Consumer::kDiffusers || consumer == Consumer::kSdNext) return "";
  if (consumer == Consumer::kComfyUi && comfyui_knows(module.key)) return "";
  return "it does not know diffusers' names";
}

std::string unknown_kind(Consumer consumer, const StoredAdapter& file, const StoredModule& module,
                         int64_t axes) {
  const bool has_magnitude = module.magnitude.defined();
  const std::string title = algebra_title(module.algebra);
  switch (module.algebra) {
    case Algebra::kLora: {
      if (module.factors.contains(AdapterRole::kMid)) {
        const bool known = is_one_of(consumer, {Consumer::kComfyUi, Consumer::kLycoris});
        return known ? "" : "LoCon in Tucker form";
      }
      if (axes == 2) return "";
      // How diffusers' converter spells convolutions, and what SD.Next makes of PEFT's shape.
      const bool converted =
          consumer == Consumer::kDiffusers && file.layout == AdapterLayout::kKohya;
      const bool reshaped = consumer == Consumer::kSdNext && has_magnitude &&
                            module.magnitude_role == AdapterRole::kMagnitudeVector;
      return converted || reshaped ? "a convolution's factors" : "";
    }
    case Algebra::kLoha:
    case Algebra::kLokr:
      return is_one_of(consumer, {Consumer::kComfyUi, Consumer::kLycoris}) ? "" : title;
    case Algebra::kDifference: {
      const bool of_bias = module.factors.contains(AdapterRole::kBiasDifference);
      const bool known = consumer == Consumer::kComfyUi ||
                         (!of_bias && is_one_of(consumer, {Consumer::kA1111, Consumer::kInvokeAi}));
      return known && !has_magnitude ? "" : title;
    }
    case Algebra::kNormDifference:
    case Algebra::kReplacement:
      return consumer == Consumer::kComfyUi && !has_magnitude ? "" : title;
    case Algebra::kNone:
      return title;
  }
  return title;
}

at::Tensor consumer_weight(Consumer consumer, const StoredAdapter& file,
                           const std::string& module_name, const StoredModule& module,
                           const at::Tensor& weight, double strength) {
  const at::NoGradGuard no_grad;
  if (module.algebra == Algebra::kReplacement) {
    return module.factors.begin()->second.reshape(weight.sizes());
  }
  const double scale = consumer_scale(consumer, file, module_name, module);
  const at::Tensor update = scale * consumer_product(module, weight.sizes().vec());
  const at::Tensor plain = weight + strength * update;
  if (!module.magnitude.defined()) return plain;
  const bool is_dora_scale = module.magnitude_role == AdapterRole::kDoraScale;
  const at::Tensor magnitude = flat_shape(module.magnitude, weight);
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
      return sdnext(weight, update, module, strength);
    case Consumer::kLycoris:
      return is_dora_scale ? lycoris(weight, update, magnitude, strength) : plain;
    case Consumer::kKohyaMerge:
    case Consumer::kStableDiffusionCpp:
      return plain;
  }
  return plain;
}

}  // namespace dorabooth
