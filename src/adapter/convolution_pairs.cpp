// peft/tuners/lora/layer.py (Conv2d) and dora.py (DoraConv2dLayer).
#include "src/adapter/convolution_pairs.h"

#include <ATen/ATen.h>

#include <cmath>
#include <utility>

#include "src/adapter/tensor_output.h"
#include "src/base/error.h"

namespace dorabooth {

namespace {

// "A" of a magnitude alone are no rows of [in, kh, kw].
AdapterTensors pair_of(const WeightPatch& patch, bool use_rslora) {
  std::vector<int64_t> a_shape = patch.shape;
  const int64_t out = patch.shape[0];
  AdapterTensors own;
  own.m = patch.magnitude;
  if (patch.algebra == Algebra::kNone) {
    a_shape[0] = 0;
    own.a = at::empty(a_shape, at::kFloat);
    own.b = at::empty({out, 0, 1, 1}, at::kFloat);
    return own;
  }
  const at::Tensor up = patch.factors.at(AdapterRole::kB).flatten(1);
  at::Tensor down = patch.factors.at(AdapterRole::kA).flatten(1);
  const auto middle = patch.factors.find(AdapterRole::kMid);
  if (middle != patch.factors.end()) {
    // [p, q, …] by [q, in]: the middle convolution after the first, pointwise one.
    down = at::tensordot(middle->second, down, {1}, {0}).movedim(-1, 1);
  }
  const int64_t rank = up.size(1);
  a_shape[0] = rank;
  own.a = down.reshape(a_shape).contiguous();
  own.b = up.reshape({out, rank, 1, 1}).contiguous();
  const auto r = static_cast<double>(rank);
  own.alpha = patch.scale * (use_rslora ? std::sqrt(r) : r);
  return own;
}

}  // namespace

AdapterFile with_convolution_pairs(const AdapterContents& contents, const std::string& to) {
  const at::NoGradGuard no_grad;
  AdapterFile file = contents.file;
  for (const WeightPatch& patch : contents.patches) {
    const bool is_pair = patch.algebra == Algebra::kLora || patch.algebra == Algebra::kNone;
    if (!is_pair || patch.shape.size() != 4) {
      fail(patch.parameter, " has ", patch.title(), ", which ", to,
           " files cannot hold: --to kohya or comfyui keeps it, --to lora-svd makes a LoRA of it");
    }
    file.modules[patch.module] = pair_of(patch, file.spec.use_rslora);
    if (!patch.magnitude.defined()) continue;
    file.spec.kind = "dora";
    file.spec.norm_axis = patch.input_axis ? "input" : "output";
  }
  return file;
}

void require_whole_components(const std::map<std::string, AdapterTensors>& modules) {
  std::map<std::string, std::pair<std::string, bool>> first;  // by component
  for (const auto& [module, own] : modules) {
    const bool has = own.m.defined();
    const auto [found, is_new] = first.emplace(component_of(module), std::pair{module, has});
    if (is_new || found->second.second == has) continue;
    const std::string& other = found->second.first;
    fail(has ? other : module, " has no DoRA magnitudes, but ", has ? module : other,
         " has: in PEFT's and diffusers' files a component has them all or none; --to kohya or "
         "comfyui keeps both");
  }
}

at::Tensor peft_magnitude(const std::string& module, const AdapterTensors& own) {
  const at::Tensor m = checked_numbers(module + ".m", own.m);
  return own.b.dim() == 4 ? m.reshape({1, -1, 1, 1}) : m;
}

}  // namespace dorabooth
