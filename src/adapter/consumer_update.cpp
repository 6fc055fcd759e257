// The same in all that know an algebra: comfy/weight_adapter/{lora,loha,lokr}.py, LyCORIS'
// modules/{locon,loha,lokr}.py; whole differences: comfy/lora.py.
#include "src/adapter/consumer_update.h"

#include <ATen/ATen.h>

#include <cmath>

namespace dorabooth {

namespace {

using Role = AdapterRole;

const at::Tensor* find(const StoredModule& module, Role role) {
  const auto found = module.factors.find(role);
  return found == module.factors.end() ? nullptr : &found->second;
}

// A core [i, j, k, l] with a matrix on either side of its first two axes, as both projects write
// it.
at::Tensor with_core(const at::Tensor& core, const at::Tensor& right, const at::Tensor& left) {
  return at::einsum("ijkl,jr,ip->prkl", {core, right.flatten(1), left.flatten(1)});
}

at::Tensor half_of_loha(const StoredModule& module, Role a, Role b, Role core) {
  const at::Tensor& left = module.factors.at(a);
  const at::Tensor& right = module.factors.at(b);
  if (const at::Tensor* middle = find(module, core)) return with_core(*middle, right, left);
  return at::matmul(left.flatten(1), right.flatten(1));
}

// One side of a Kronecker product, whole or of two factors.
at::Tensor side_of_lokr(const StoredModule& module, Role whole, Role a, Role b, Role core) {
  if (const at::Tensor* own = find(module, whole)) return *own;
  const at::Tensor& left = module.factors.at(a);
  const at::Tensor& right = module.factors.at(b);
  if (const at::Tensor* middle = find(module, core)) return with_core(*middle, right, left);
  return at::matmul(left.flatten(1), right.flatten(1));
}

at::Tensor lokr(const StoredModule& module) {
  at::Tensor first =
      side_of_lokr(module, Role::kLokrW1, Role::kLokrW1A, Role::kLokrW1B, Role::kLokrW1);
  const at::Tensor second =
      side_of_lokr(module, Role::kLokrW2, Role::kLokrW2A, Role::kLokrW2B, Role::kLokrT2);
  if (second.dim() == 4) first = first.unsqueeze(2).unsqueeze(3);
  return at::kron(first, second);
}

// Of the factored part that alpha is divided by; nothing where there is none.
std::optional<int64_t> rank_of(const StoredModule& module) {
  if (module.algebra == Algebra::kLora) return module.down.size(0);
  for (const Role role : {Role::kHadaW1B, Role::kLokrW2B, Role::kLokrW1B}) {
    if (const at::Tensor* own = find(module, role)) return own->size(0);
  }
  return std::nullopt;
}

}  // namespace

double consumer_scale(Consumer consumer, const StoredAdapter& file, const std::string& name,
                      const StoredModule& module) {
  const std::optional<int64_t> of_factors = rank_of(module);
  if (!of_factors) return 1.0;
  const auto rank = static_cast<double>(*of_factors);
  if (module.alpha) return *module.alpha / rank;
  const bool knows_config = consumer == Consumer::kPeft || consumer == Consumer::kDiffusers;
  const auto config = file.configs.find(component_of(name));
  if (!knows_config || config == file.configs.end()) return 1.0;
  const double alpha = config->second.alpha_of(path_in_component(name));
  return alpha / (config->second.use_rslora ? std::sqrt(rank) : rank);
}

at::Tensor consumer_product(const StoredModule& module, const std::vector<int64_t>& shape) {
  switch (module.algebra) {
    case Algebra::kLora: {
      const at::Tensor down = module.down.flatten(1);
      const at::Tensor up = module.up.flatten(1);
      const at::Tensor* middle = find(module, Role::kMid);
      return (middle ? with_core(*middle, down, up.t()) : at::matmul(up, down)).reshape(shape);
    }
    case Algebra::kLoha:
      return (half_of_loha(module, Role::kHadaW1A, Role::kHadaW1B, Role::kHadaT1) *
              half_of_loha(module, Role::kHadaW2A, Role::kHadaW2B, Role::kHadaT2))
          .reshape(shape);
    case Algebra::kLokr:
      return lokr(module).reshape(shape);
    case Algebra::kDifference:
    case Algebra::kNormDifference:
    case Algebra::kReplacement:
      return module.factors.begin()->second.reshape(shape);
    case Algebra::kNone:
      return at::zeros(shape);
  }
  return at::zeros(shape);
}

}  // namespace dorabooth
