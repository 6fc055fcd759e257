// What an adapter file changes beside LoRA and DoRA on linear layers: one parameter of the base and
// the algebra by which it changes (LyCORIS' locon, loha, lokr, full and norm modules; ComfyUI's
// diff and set_weight), with DoRA's magnitude over any of them. A patch keeps its factors and makes
// the change from them when it is asked.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "src/adapter/module_parts.h"
#include "src/adapter/set.h"

namespace dorabooth {

struct WeightPatch {
  std::string module;     // "unet.conv_in"
  std::string parameter;  // "unet.conv_in.weight"
  Algebra algebra = Algebra::kNone;
  std::vector<int64_t> shape;  // of the parameter
  // fp32 on the CPU, in the shapes of kohya's and LyCORIS' files.
  std::map<AdapterRole, at::Tensor> factors;
  double scale = 1.0;    // alpha/rank of the product
  at::Tensor magnitude;  // DoRA's m, [out] or [in]; undefined without one
  bool input_axis = false;

  // Of the factored part whose alpha files state; nothing where there is none.
  std::optional<int64_t> rank() const;
  // "LoCon", "LoHa with magnitudes", …
  std::string title() const;
};

// Throws, naming the parameter, unless the factors make a change of its shape.
void check_patch(const WeightPatch& patch);

// ΔW in the parameter's shape, fp32: the sum W + ΔW is what a magnitude acts on. `base` is W, which
// a replacement's difference is taken from.
at::Tensor patch_update(const WeightPatch& patch, const at::Tensor& base);

// The parameter after the patch, fp32, from W in fp32. With a magnitude m and D(X) = m·X/‖X‖ by the
// patch's axis, PEFT's rule gives D(W + s·ΔW), the interpolating rule W + s·(D(W + ΔW) − W);
// without one both give W + s·ΔW. Rows (or columns) of zeros stay as they are.
at::Tensor patched(const WeightPatch& patch, const at::Tensor& base, double strength,
                   StrengthRule rule);

// ‖X‖ by the rows of a weight (its columns with `input_axis`), [out] or [in].
at::Tensor direction_norms(const at::Tensor& weight, bool input_axis);

}  // namespace dorabooth
