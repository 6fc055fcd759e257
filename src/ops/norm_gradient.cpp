// With q = dn/n, by rows n_j² = |V_j|²:
//   dB = s·(q∘V)·Aᵀ,   dA = s·(q∘B)ᵀ·V;
// by columns n_i² = |V·e_i|²:
//   dB = s·V·(A∘q)ᵀ,   dA = s·(Bᵀ·V)∘q.
// V·Dᵀ = W·Dᵀ + s·B·(A·Dᵀ) and Eᵀ·V = Eᵀ·W + s·(Eᵀ·B)·A, so that V is never formed.
#include "src/ops/norm_gradient.h"

#include <torch/csrc/autograd/custom_function.h>

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "src/ops/dense_product.h"

namespace dorabooth {

namespace {

// Rows of W in fp32 at a time.
constexpr int64_t kRowsPerBlock = 256;

struct NormCall : torch::CustomClassHolder {
  explicit NormCall(NormOrigin o) : origin(std::move(o)) {}
  NormOrigin origin;
};

struct FactorGradients {
  at::Tensor a;
  at::Tensor b;
};

// s·V·downᵀ [out, r] and s·upᵀ·V [r, in], in one pass over W.
FactorGradients products_with_v(const NormOrigin& origin, const at::Tensor& a, const at::Tensor& b,
                                const at::Tensor& down, const at::Tensor& up) {
  const double s = origin.scale;
  FactorGradients result;
  std::vector<at::Tensor> blocks;
  const int64_t out = origin.weight->out_features();
  for (int64_t first = 0; first < out; first += kRowsPerBlock) {
    const int64_t last = std::min(first + kRowsPerBlock, out);
    const at::Tensor w = origin.weight->rows(first, last);
    blocks.push_back(dense_product(w, down));
    const at::Tensor part = dense_product(up.slice(0, first, last).t().contiguous(), w.t());
    result.a = result.a.defined() ? result.a.add_(part) : part;
  }
  result.b = at::cat(blocks).add_(b.mm(a.mm(down.t())), s).mul_(s);
  result.a.add_(up.t().mm(b).mm(a), s).mul_(s);
  return result;
}

struct MagnitudeOverNorm : torch::autograd::Function<MagnitudeOverNorm> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& m,
                            const at::Tensor& a, const at::Tensor& b,
                            const c10::intrusive_ptr<NormCall>& call) {
    context->saved_data["call"] = c10::IValue::make_capsule(call);
    context->save_for_backward({m, a, b});
    return m.clone();
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list outputs) {
    const auto holder = context->saved_data["call"].toCapsule();
    const NormOrigin& origin = static_cast<const NormCall&>(*holder).origin;
    const auto saved = context->get_saved_variables();
    const at::Tensor& a = saved[1];
    const at::Tensor& b = saved[2];
    const at::Tensor usable = origin.norm > kSmallestNorm;
    const at::Tensor n = at::where(usable, origin.norm, at::ones_like(origin.norm));
    const at::Tensor q =
        at::where(usable, -(saved[0] / n) * outputs[0] / n, at::zeros_like(origin.norm));
    FactorGradients g;
    if (origin.axis == MagnitudeAxis::kInput) {
      g = products_with_v(origin, a, b, a * q, b);
      g.a.mul_(q);
    } else {
      const at::Tensor q_of_row = q.unsqueeze(1);
      g = products_with_v(origin, a, b, a, q_of_row * b);
      g.b.mul_(q_of_row);
    }
    return {outputs[0], g.a, g.b, at::Tensor()};
  }
};

}  // namespace

at::Tensor magnitude_over_norm(const at::Tensor& m, const at::Tensor& a, const at::Tensor& b,
                               const NormOrigin& origin) {
  if (!at::GradMode::is_enabled()) return m;
  return MagnitudeOverNorm::apply(m, a, b, c10::make_intrusive<NormCall>(origin));
}

}  // namespace dorabooth
