// The products follow lycoris/modules/locon.py, loha.py, lokr.py and functional/general.py
// (rebuild_tucker).
#include "src/adapter/weight_patch.h"

#include <ATen/ATen.h>

#include "src/base/error.h"

namespace dorabooth {

namespace {

using Role = AdapterRole;

const at::Tensor& factor(const WeightPatch& patch, Role role) {
  const auto found = patch.factors.find(role);
  if (found == patch.factors.end()) {
    fail(patch.parameter, ": ", kohya_ending(role), " is missing");
  }
  return found->second;
}

bool has(const WeightPatch& patch, Role role) { return patch.factors.contains(role); }

[[noreturn]] void refuse_shape(const WeightPatch& patch, Role role,
                               const std::vector<int64_t>& want) {
  fail(patch.parameter, " ", shape_text(patch.shape), ": ", kohya_ending(role), ": want ",
       shape_text(want), ", got ", shape_text(factor(patch, role).sizes().vec()));
}

// The numbers of a factor are those of `want`, which may be written with other trailing axes: a
// convolution's window flattened, or ones behind a matrix.
void require(const WeightPatch& patch, Role role, const std::vector<int64_t>& want) {
  const at::Tensor& own = factor(patch, role);
  bool fits =
      own.dim() >= 2 && own.numel() == c10::multiply_integers(want) && own.size(0) == want[0];
  for (int64_t axis = 1; fits && own.dim() > 2 && axis < own.dim(); ++axis) {
    const auto at = static_cast<size_t>(axis);
    fits = own.size(axis) == (at < want.size() ? want[at] : 1);
  }
  if (!fits) refuse_shape(patch, role, want);
}

int64_t rows_of(const WeightPatch& patch, Role role, int64_t axis) {
  const at::Tensor& own = factor(patch, role);
  if (own.dim() < 2 || own.size(axis) < 1) {
    fail(patch.parameter, ": ", kohya_ending(role), ": want at least a matrix, got ",
         shape_text(own.sizes().vec()));
  }
  return own.size(axis);
}

std::vector<int64_t> with_window(const WeightPatch& patch, int64_t rows, int64_t columns) {
  std::vector<int64_t> shape = patch.shape;
  shape[0] = rows;
  shape[1] = columns;
  return shape;
}

at::Tensor matrix(const at::Tensor& tensor) { return tensor.flatten(1); }

// Σ over i, j of core[i, j, …]·left[i, p]·right[j, r] -> [p, r, …].
at::Tensor tucker(const at::Tensor& core, const at::Tensor& left, const at::Tensor& right) {
  const at::Tensor once = at::tensordot(left, core, {0}, {0});    // [p, j, …]
  const at::Tensor twice = at::tensordot(once, right, {1}, {0});  // [p, …, r]
  return twice.movedim(-1, 1);
}

void check_lora(const WeightPatch& patch) {
  const int64_t rank = rows_of(patch, Role::kA, 0);
  const int64_t out = patch.shape[0];
  const int64_t in = patch.shape[1];
  if (!has(patch, Role::kMid)) {
    require(patch, Role::kA, with_window(patch, rank, in));
    return require(patch, Role::kB, {out, rank});
  }
  require(patch, Role::kA, {rank, in});
  const int64_t outer = rows_of(patch, Role::kB, 1);
  require(patch, Role::kB, {out, outer});
  require(patch, Role::kMid, with_window(patch, outer, rank));
}

at::Tensor lora(const WeightPatch& patch) {
  const at::Tensor down = matrix(factor(patch, Role::kA));
  const at::Tensor up = matrix(factor(patch, Role::kB));
  if (!has(patch, Role::kMid)) return at::matmul(up, down);
  return tucker(factor(patch, Role::kMid), up.t(), down);
}

struct Half {
  Role a, b, core;
};
constexpr Half kLohaHalves[] = {{Role::kHadaW1A, Role::kHadaW1B, Role::kHadaT1},
                                {Role::kHadaW2A, Role::kHadaW2B, Role::kHadaT2}};

void check_loha(const WeightPatch& patch) {
  for (const Half& half : kLohaHalves) {
    const int64_t rank = rows_of(patch, half.b, 0);
    if (!has(patch, half.core)) {
      require(patch, half.a, {patch.shape[0], rank});
      require(patch, half.b, with_window(patch, rank, patch.shape[1]));
      continue;
    }
    const int64_t outer = rows_of(patch, half.a, 0);
    require(patch, half.a, {outer, patch.shape[0]});
    require(patch, half.b, {rank, patch.shape[1]});
    require(patch, half.core, with_window(patch, outer, rank));
  }
}

at::Tensor loha_half(const WeightPatch& patch, const Half& half) {
  const at::Tensor a = matrix(factor(patch, half.a));
  const at::Tensor b = matrix(factor(patch, half.b));
  if (!has(patch, half.core)) return at::matmul(a, b).reshape(patch.shape);
  return tucker(factor(patch, half.core), a, b).reshape(patch.shape);
}

at::Tensor lokr_first(const WeightPatch& patch) {
  if (has(patch, Role::kLokrW1)) return factor(patch, Role::kLokrW1);
  return at::matmul(factor(patch, Role::kLokrW1A), factor(patch, Role::kLokrW1B));
}

// [out of it, everything else].
at::Tensor lokr_second(const WeightPatch& patch) {
  if (has(patch, Role::kLokrW2)) return matrix(factor(patch, Role::kLokrW2));
  const at::Tensor a = matrix(factor(patch, Role::kLokrW2A));
  const at::Tensor b = matrix(factor(patch, Role::kLokrW2B));
  if (!has(patch, Role::kLokrT2)) return at::matmul(a, b);
  return matrix(tucker(factor(patch, Role::kLokrT2), a, b));
}

void check_product(const WeightPatch& patch, Role a, Role b) {
  rows_of(patch, a, 0);
  const int64_t rank = rows_of(patch, b, 0);
  if (factor(patch, a).dim() != 2 || factor(patch, a).size(1) != rank) {
    refuse_shape(patch, a, {factor(patch, a).size(0), rank});
  }
}

void check_lokr(const WeightPatch& patch) {
  if (!has(patch, Role::kLokrW1)) check_product(patch, Role::kLokrW1A, Role::kLokrW1B);
  const bool whole = has(patch, Role::kLokrW2);
  if (!whole && !has(patch, Role::kLokrT2)) {
    check_product(patch, Role::kLokrW2A, Role::kLokrW2B);
  } else if (!whole) {
    const int64_t outer = rows_of(patch, Role::kLokrW2A, 0);
    require(patch, Role::kLokrT2, with_window(patch, outer, rows_of(patch, Role::kLokrW2B, 0)));
  }
  const Role first_role = has(patch, Role::kLokrW1) ? Role::kLokrW1 : Role::kLokrW1A;
  const at::Tensor first = lokr_first(patch);
  const at::Tensor second = lokr_second(patch);
  const int64_t columns = c10::multiply_integers(patch.shape) / patch.shape[0];
  if (first.dim() != 2 || first.numel() == 0 || first.size(0) * second.size(0) != patch.shape[0] ||
      first.size(1) * second.size(1) != columns) {
    fail(patch.parameter, " ", shape_text(patch.shape), ": ", kohya_ending(first_role), ": ",
         shape_text(first.sizes().vec()), " times ", shape_text(second.sizes().vec()),
         " make no product of its shape");
  }
}

// A difference or replacement, whatever ones stand behind its axes.
void check_whole(const WeightPatch& patch, Role role) {
  std::vector<int64_t> own = factor(patch, role).sizes().vec();
  std::vector<int64_t> want = patch.shape;
  const auto strip = [](std::vector<int64_t>& shape) {
    while (!shape.empty() && shape.back() == 1) shape.pop_back();
  };
  strip(own);
  strip(want);
  if (own != want) refuse_shape(patch, role, patch.shape);
}

Role whole_role(const WeightPatch& patch) { return patch.factors.begin()->first; }

at::Tensor divided_by(const at::Tensor& weight, const at::Tensor& magnitude, bool input_axis) {
  const at::Tensor norms = direction_norms(weight, input_axis);
  const at::Tensor usable = norms > 0;
  const at::Tensor ones = at::ones_like(norms);
  at::Tensor gain = at::where(usable, magnitude / at::where(usable, norms, ones), ones);
  std::vector<int64_t> shape(static_cast<size_t>(weight.dim()), 1);
  shape[input_axis ? 1 : 0] = gain.size(0);
  return weight * gain.reshape(shape);
}

}  // namespace

std::optional<int64_t> WeightPatch::rank() const {
  for (const Role role : {Role::kA, Role::kHadaW1B, Role::kLokrW2B, Role::kLokrW1B}) {
    const auto found = factors.find(role);
    if (found != factors.end()) return found->second.size(0);
  }
  return std::nullopt;
}

std::string WeightPatch::title() const {
  std::string name = algebra_title(algebra);
  if (algebra == Algebra::kLora && shape.size() > 2) name = "LoCon";
  if (algebra != Algebra::kNone && magnitude.defined()) name += " with magnitudes";
  return name;
}

void check_patch(const WeightPatch& patch) {
  if (patch.shape.size() < 2 &&
      (patch.algebra == Algebra::kLora || patch.algebra == Algebra::kLoha ||
       patch.algebra == Algebra::kLokr)) {
    fail(patch.parameter, " ", shape_text(patch.shape), ": ", algebra_title(patch.algebra),
         " changes matrices and convolutions alone");
  }
  switch (patch.algebra) {
    case Algebra::kLora:
      return check_lora(patch);
    case Algebra::kLoha:
      return check_loha(patch);
    case Algebra::kLokr:
      return check_lokr(patch);
    case Algebra::kDifference:
    case Algebra::kNormDifference:
    case Algebra::kReplacement:
      return check_whole(patch, whole_role(patch));
    case Algebra::kNone:
      return;
  }
}

at::Tensor patch_update(const WeightPatch& patch, const at::Tensor& base) {
  const at::NoGradGuard no_grad;
  switch (patch.algebra) {
    case Algebra::kLora:
      return (lora(patch) * patch.scale).reshape(patch.shape);
    case Algebra::kLoha:
      return loha_half(patch, kLohaHalves[0]) * loha_half(patch, kLohaHalves[1]) * patch.scale;
    case Algebra::kLokr:
      return (at::kron(lokr_first(patch), lokr_second(patch)) * patch.scale).reshape(patch.shape);
    case Algebra::kDifference:
    case Algebra::kNormDifference:
      return factor(patch, whole_role(patch)).reshape(patch.shape);
    case Algebra::kReplacement:
      return factor(patch, whole_role(patch)).reshape(patch.shape) - base;
    case Algebra::kNone:
      return at::zeros(patch.shape, at::kFloat);
  }
  fail(patch.parameter, ": no such algebra");
}

at::Tensor patched(const WeightPatch& patch, const at::Tensor& base, double strength,
                   StrengthRule rule) {
  const at::NoGradGuard no_grad;
  const at::Tensor update = patch_update(patch, base);
  if (!patch.magnitude.defined()) return base + strength * update;
  if (rule == StrengthRule::kPeft) {
    return divided_by(base + strength * update, patch.magnitude, patch.input_axis);
  }
  const at::Tensor whole = divided_by(base + update, patch.magnitude, patch.input_axis);
  return strength == 1.0 ? whole : base + strength * (whole - base);
}

at::Tensor direction_norms(const at::Tensor& weight, bool input_axis) {
  std::vector<int64_t> reduced;
  for (int64_t axis = 0; axis < weight.dim(); ++axis) {
    if (axis != (input_axis ? 1 : 0)) reduced.push_back(axis);
  }
  return weight.square().sum(reduced, /*keepdim=*/false, at::kDouble).sqrt().to(at::kFloat);
}

}  // namespace dorabooth
