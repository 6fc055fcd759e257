// Forward and backward of the adapted layer. With dyg = dy∘g (dy itself for LoRA):
//   du = s·dyg·B,  dB = s·dygᵀ·u,  dA = duᵀ·x,  dx = dyg·W + du·A,  dm = Σ_t dy∘(y − b)/m.
#include "src/ops/adapter_linear.h"

#include <torch/csrc/autograd/custom_function.h>

#include <ATen/ATen.h>

#include <algorithm>

#include "src/device/adapter_core_choice.h"
#include "src/ops/core_arguments.h"

namespace dorabooth {

namespace {

// What travels beside the autograd arguments and gets no gradient.
struct Call : torch::CustomClassHolder {
  FrozenLayer layer;
  DoraNorm norm;  // undefined tensors for LoRA
  double scale = 1.0;
  const AdapterCore* core = nullptr;
};

at::Tensor rows_of(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}); }

// Whether the base's output is rounded to half precision with its bias in it, as in PEFT; in fp32
// the bias comes last.
bool base_has_bias(const Call& call, at::ScalarType dtype) {
  return dtype != at::kFloat && call.layer.bias.defined() && !call.layer.product.defined();
}

// y2 = s·u·Bᵀ added to the base output in place, then gain and bias in one pass.
void compose(at::Tensor& y2, const at::Tensor& u, const at::Tensor& b, const Call& call) {
  const bool fp32 = y2.scalar_type() == at::kFloat;
  const at::Tensor& gain = call.norm.gain;
  const at::Tensor& bias = call.layer.bias;
  at::Tensor lora;
  if (fp32) {
    y2.addmm_(u, b.t(), 1.0, call.scale);
    if (!gain.defined()) {
      if (bias.defined()) y2.add_(bias);
      return;
    }
  } else if (b.size(1) > 0) {
    // On the CPU in fp32, as B is: half the rounding of a product in the base's dtype, for a few
    // percent of a layer's time. On a device the tensor cores take the base's dtype.
    const auto dtype = y2.is_cpu() ? at::kFloat : y2.scalar_type();
    lora = u.to(dtype).mm(b.to(dtype).t());
  }
  if (y2.is_meta()) return;
  ComposeForwardArgs args;
  args.on = execution_on(y2.device());
  args.base = y2.data_ptr();
  args.type = element_type(y2.scalar_type());
  if (lora.defined()) {
    args.lora = lora.data_ptr();
    args.lora_type = element_type(lora.scalar_type());
  }
  if (gain.defined()) args.gain = fp32_data(gain, "gain");
  if (bias.defined()) {
    args.bias = bias.data_ptr();
    args.bias_type = element_type(bias.scalar_type());
  }
  args.base_has_bias = base_has_bias(call, y2.scalar_type());
  args.scale = static_cast<float>(call.scale);
  args.tokens = y2.size(0);
  args.out = y2.size(1);
  call.core->compose_forward(args);
}

at::Tensor forward_value(const at::Tensor& x, const at::Tensor& a, const at::Tensor& b,
                         const Call& call, at::Tensor* u) {
  *u = rows_of(x).mm(a.to(x.scalar_type()).t());
  const FrozenLayer& layer = call.layer;
  at::Tensor y = layer.product.defined()                ? layer.product.clone()
                 : base_has_bias(call, x.scalar_type()) ? layer.weight->affine(x, layer.bias)
                                                        : layer.weight->matmul(x);
  at::Tensor y2 = y.view({-1, y.size(-1)});
  compose(y2, *u, b, call);
  return y;
}

// Whether a column's dm has to be recomputed; looked up in place where the flags lie at hand.
bool any_flag(const at::Tensor& flagged) {
  if (!flagged.is_cpu()) return true;
  const uint8_t* flags = flagged.const_data_ptr<uint8_t>();
  return std::any_of(flags, flags + flagged.numel(), [](uint8_t flag) { return flag != 0; });
}

// dyg and dm in one pass; columns whose m is too small for y/m are recomputed from W·x + s·B·u.
std::pair<at::Tensor, at::Tensor> dora_backward(const at::Tensor& dy, const at::Tensor& y,
                                                const at::Tensor& x, const at::Tensor& u,
                                                const at::Tensor& b, const at::Tensor& m,
                                                const Call& call) {
  at::Tensor dyg = at::empty_like(dy);
  at::Tensor dm = at::empty_like(m);
  if (dy.is_meta()) return {dyg, dm};
  at::Tensor flagged = at::empty({m.size(0)}, m.options().dtype(at::kByte));
  at::Tensor workspace = at::empty({compose_backward_workspace(dy.size(0), dy.size(1))},
                                   m.options().dtype(at::kDouble));
  ComposeBackwardArgs args;
  args.on = execution_on(dy.device());
  args.dy = dy.const_data_ptr();
  args.type = element_type(dy.scalar_type());
  args.value = y.const_data_ptr();
  args.value_type = element_type(y.scalar_type());
  if (call.layer.bias.defined()) {
    args.bias = call.layer.bias.const_data_ptr();
    args.bias_type = element_type(call.layer.bias.scalar_type());
  }
  args.gain = fp32_data(call.norm.gain, "gain");
  args.divisor = fp32_data(m, "m");
  args.bound = static_cast<float>(call.norm.small_magnitude);
  args.tokens = dy.size(0);
  args.out = dy.size(1);
  args.dyg = dyg.data_ptr();
  args.dm = dm.data_ptr<float>();
  args.flagged = flagged.data_ptr<uint8_t>();
  args.workspace = workspace.data_ptr<double>();
  call.core->compose_backward(args);
  if (!any_flag(flagged)) return {dyg, dm};
  const at::Tensor columns = flagged.nonzero().flatten();
  if (columns.numel() > 0) {
    std::vector<at::Tensor> picked;
    for (const int64_t j : std::vector<int64_t>(columns.data_ptr<int64_t>(),
                                                columns.data_ptr<int64_t>() + columns.numel())) {
      picked.push_back(call.layer.weight->rows(j, j + 1));
    }
    const at::Tensor w = at::cat(picked);
    const at::Tensor v = rows_of(x).to(at::kFloat).mm(w.t()) +
                         call.scale * u.to(at::kFloat).mm(b.index_select(0, columns).t());
    const at::Tensor norm = call.norm.norm.index_select(0, columns);
    const at::Tensor sum = (dy.index_select(1, columns).to(at::kFloat) * v).sum(0);
    dm.index_copy_(0, columns, at::where(norm > 0, sum / norm, at::zeros_like(sum)));
  }
  return {dyg, dm};
}

struct Gradients {
  at::Tensor x;
  at::Tensor a;
  at::Tensor b;
};

Gradients backward_products(const at::Tensor& dyg, const at::Tensor& x, const at::Tensor& u,
                            const at::Tensor& a, const at::Tensor& b, const Call& call,
                            bool needs_x) {
  const auto dtype = x.scalar_type();
  at::Tensor du = dyg.mm(b.to(dtype));
  if (call.scale != 1.0) du.mul_(call.scale);
  Gradients gradients;
  const at::Tensor x2 = rows_of(x);
  gradients.a = du.t().mm(x2).to(at::kFloat);
  gradients.b = dyg.t().mm(u).to(at::kFloat);
  if (call.scale != 1.0) gradients.b.mul_(call.scale);
  if (needs_x) {
    at::Tensor dx = call.layer.weight->matmul_transposed(dyg);
    dx.addmm_(du, a.to(dtype));
    gradients.x = dx.view(x.sizes());
  }
  return gradients;
}

struct LoraLinear : torch::autograd::Function<LoraLinear> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& a, const at::Tensor& b,
                            const c10::intrusive_ptr<Call>& call) {
    at::Tensor u;
    at::Tensor y = forward_value(x, a, b, *call, &u);
    call->layer.product.reset();
    context->saved_data["call"] = c10::IValue::make_capsule(call);
    context->save_for_backward({x, u, a, b});
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list outputs) {
    const auto holder = context->saved_data["call"].toCapsule();
    const Call& call = static_cast<const Call&>(*holder);
    const auto saved = context->get_saved_variables();
    const at::Tensor dy = rows_of(outputs[0]).contiguous();
    Gradients g = backward_products(dy, saved[0], saved[1], saved[2], saved[3], call,
                                    context->needs_input_grad(0));
    return {g.x, g.a, g.b, at::Tensor()};
  }
};

struct DoraLinear : torch::autograd::Function<DoraLinear> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& a, const at::Tensor& b, const at::Tensor& m,
                            const c10::intrusive_ptr<Call>& call) {
    at::Tensor u;
    at::Tensor y = forward_value(x, a, b, *call, &u);
    call->layer.product.reset();
    context->saved_data["call"] = c10::IValue::make_capsule(call);
    context->save_for_backward({x, u, a, b, m, y});
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list outputs) {
    const auto holder = context->saved_data["call"].toCapsule();
    const Call& call = static_cast<const Call&>(*holder);
    const auto saved = context->get_saved_variables();
    const at::Tensor dy = rows_of(outputs[0]).contiguous();
    const auto [dyg, dm] = dora_backward(dy, rows_of(saved[5]).contiguous(), saved[0], saved[1],
                                         saved[3], saved[4], call);
    Gradients g = backward_products(dyg, saved[0], saved[1], saved[2], saved[3], call,
                                    context->needs_input_grad(0));
    return {g.x, g.a, g.b, dm, at::Tensor()};
  }
};

c10::intrusive_ptr<Call> make_call(const FrozenLayer& layer, const DoraNorm& norm, double scale,
                                   const AdapterCore& core) {
  auto call = c10::make_intrusive<Call>();
  call->layer = layer;
  call->norm = norm;
  call->scale = scale;
  call->core = &core;
  return call;
}

}  // namespace

at::Tensor lora_linear(const at::Tensor& x, const FrozenLayer& layer, const at::Tensor& a,
                       const at::Tensor& b, double scale, const AdapterCore& core) {
  const auto call = make_call(layer, {}, scale, core);
  if (at::GradMode::is_enabled()) return LoraLinear::apply(x, a, b, call);
  at::Tensor u;
  return forward_value(x, a, b, *call, &u);
}

at::Tensor dora_linear(const at::Tensor& x, const FrozenLayer& layer, const at::Tensor& a,
                       const at::Tensor& b, const at::Tensor& m, const DoraNorm& norm, double scale,
                       const AdapterCore& core) {
  const auto call = make_call(layer, norm, scale, core);
  if (at::GradMode::is_enabled()) return DoraLinear::apply(x, a, b, m, call);
  at::Tensor u;
  return forward_value(x, a, b, *call, &u);
}

}  // namespace dorabooth
