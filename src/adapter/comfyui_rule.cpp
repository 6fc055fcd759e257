// comfy/weight_adapter/base.py, weight_decompose: of a magnitude per output feature.
#include "src/adapter/comfyui_rule.h"

#include <ATen/ATen.h>

#include <limits>

#include "src/adapter/adapter_header.h"
#include "src/adapter/tensor_facts.h"

namespace dorabooth {

namespace {

// (‖W‖ + eps)/‖W + ΔW‖ by rows in fp64; 1 where a changed row is 0.
at::Tensor ratio_of(const RowNorms& norms) {
  const double epsilon = std::numeric_limits<float>::epsilon();
  const at::Tensor base = norms.base.to(at::kDouble) + epsilon;
  const at::Tensor merged = norms.merged.to(at::kDouble);
  const at::Tensor usable = merged > 0;
  const at::Tensor ones = at::ones_like(merged);
  return at::where(usable, base / at::where(usable, merged, ones), ones);
}

at::Tensor restored(const at::Tensor& stored, const at::Tensor& weight, const at::Tensor& update) {
  const RowNorms norms{direction_norms(weight, /*input_axis=*/false),
                       direction_norms(weight + update, /*input_axis=*/false)};
  return (stored.to(at::kDouble) / ratio_of(norms)).to(at::kFloat);
}

}  // namespace

bool has_comfyui_magnitudes(const std::map<std::string, std::string>& metadata) {
  return metadata.contains(kDoraScaleRuleKey);
}

at::Tensor comfyui_magnitude(const at::Tensor& m, const RowNorms& norms) {
  return (m.to(at::kDouble) * ratio_of(norms)).to(at::kFloat);
}

void restore_magnitudes(AdapterContents& contents, const BaseWeights& base) {
  const at::NoGradGuard no_grad;
  const AdapterSpec& spec = contents.file.spec;
  if (spec.kind == "dora" && spec.norm_axis == "output") {
    for (auto& [module, own] : contents.file.modules) {
      const at::Tensor weight = base(module);
      own.m = restored(own.m, weight, update_scale(own, spec.use_rslora) * own.b.matmul(own.a));
    }
  }
  for (WeightPatch& patch : contents.patches) {
    if (!patch.magnitude.defined() || patch.input_axis) continue;
    const at::Tensor weight = base(patch.module);
    patch.magnitude = restored(patch.magnitude, weight, patch_update(patch, weight));
  }
}

}  // namespace dorabooth
