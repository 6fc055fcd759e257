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

// What a layer keeps for its backward beside its output: x as rows, and u = A·x.
struct Forward {
  at::Tensor y;  // [..., out]
  at::Tensor x;  // [tokens, in]
  at::Tensor u;  // [tokens, rank] fp32
};

at::Tensor fp32_like(const at::Tensor& x, at::IntArrayRef sizes) {
  return at::empty(sizes, x.options().dtype(at::kFloat));
}

Narrow narrow_of(const at::Tensor& u) { return {u.const_data_ptr<float>(), u.size(1)}; }

at::Tensor narrow_product(const at::Tensor& x, const at::Tensor& a, const AdapterCore& core) {
  at::Tensor u = fp32_like(x, {x.size(0), a.size(0)});
  if (x.is_meta() || a.size(0) == 0) return u;
  NarrowProductArgs args;
  args.on = execution_on(x.device());
  args.wide = x.const_data_ptr();
  args.type = element_type(x.scalar_type());
  args.factor = {fp32_data(a, "A"), a.size(0), false};
  args.tokens = x.size(0);
  args.columns = x.size(1);
  args.narrow = u.data_ptr<float>();
  args.narrow_stride = u.size(1);
  core.narrow_product(args);
  return u;
}

// y from `source`, the frozen layer's output: s·u·Bᵀ, gain and bias in one pass.
void compose(const at::Tensor& y, const at::Tensor& source, const at::Tensor& u,
             const at::Tensor& b, const Call& call) {
  ComposeForwardArgs args;
  args.on = execution_on(y.device());
  args.base = y.data_ptr();
  args.source = source.const_data_ptr();
  args.type = element_type(y.scalar_type());
  if (u.size(1) > 0) {
    args.narrow = narrow_of(u);
    args.factor = {fp32_data(b, "B"), u.size(1), true};
  }
  if (call.norm.gain.defined()) args.gain = fp32_data(call.norm.gain, "gain");
  if (call.layer.bias.defined()) {
    args.bias = call.layer.bias.const_data_ptr();
    args.bias_type = element_type(call.layer.bias.scalar_type());
  }
  args.base_has_bias = base_has_bias(call, y.scalar_type());
  args.scale = static_cast<float>(call.scale);
  args.out = y.size(-1);
  args.tokens = args.out == 0 ? 0 : y.numel() / args.out;
  call.core->compose_forward(args);
}

Forward forward_of(const at::Tensor& x, const at::Tensor& a, const at::Tensor& b,
                   const Call& call) {
  Forward result;
  result.x = rows_of(x).contiguous();
  result.u = narrow_product(result.x, a, *call.core);
  const FrozenLayer& layer = call.layer;
  at::Tensor source;
  if (layer.product.defined()) {
    source = layer.product.contiguous();
    result.y = at::empty_like(source);
  } else {
    source = base_has_bias(call, x.scalar_type()) ? layer.weight->affine(x, layer.bias)
                                                  : layer.weight->matmul(x);
    result.y = source;
  }
  if (!x.is_meta()) compose(result.y, source, result.u, b, call);
  return result;
}

// W where the core can read it whole.
at::Tensor whole_weight(const FrozenWeight& weight) {
  const int64_t rows = weight.out_features();
  return weight.core_row_count() >= rows ? weight.core_rows(0, rows) : at::Tensor();
}

struct Gradients {
  at::Tensor x;
  at::Tensor a;
  at::Tensor b;
  at::Tensor m;
};

// dm of the flagged columns of a weight that is not stored as a matrix, from W·x + s·B·u.
void recompute_dm(const at::Tensor& flagged, const at::Tensor& dy, const Forward& saved,
                  const at::Tensor& b, const Call& call, at::Tensor& dm) {
  const at::Tensor columns = flagged.nonzero().flatten().cpu();
  if (columns.numel() == 0) return;
  std::vector<at::Tensor> picked;
  for (int64_t i = 0; i < columns.numel(); ++i) {
    const int64_t j = columns[i].item<int64_t>();
    picked.push_back(call.layer.weight->rows(j, j + 1));
  }
  const at::Tensor here = columns.to(dm.device());
  const at::Tensor v = saved.x.to(at::kFloat).mm(at::cat(picked).t()) +
                       call.scale * saved.u.mm(b.index_select(0, here).t());
  const at::Tensor norm = call.norm.norm.index_select(0, here);
  const at::Tensor sum = (dy.index_select(1, here).to(at::kFloat) * v).sum(0);
  dm.index_copy_(0, here, at::where(norm > 0, sum / norm, at::zeros_like(sum)));
}

// The tensors of one backward call, alive while the core works.
class Backward {
 public:
  Backward(const Call& call, const Forward& saved, const at::Tensor& dy, const at::Tensor& a,
           const at::Tensor& b)
      : call_(call), saved_(saved), dy_(dy), a_(a), b_(b), dyg_(dy) {
    ComposeBackwardArgs& compose = args_.compose;
    compose.on = execution_on(dy.device());
    compose.dy = dy.const_data_ptr();
    compose.type = element_type(dy.scalar_type());
    compose.tokens = dy.size(0);
    compose.out = dy.size(1);
  }

  // dyg and dm from the layer's own output y.
  void want_magnitude(const at::Tensor& y, const at::Tensor& m) {
    ComposeBackwardArgs& compose = args_.compose;
    dyg_ = at::empty_like(dy_);
    result_.m = at::empty_like(m);
    flagged_ = at::empty(m.sizes(), m.options().dtype(at::kByte));
    sums_ = at::empty({compose_backward_workspace(dy_.size(0), dy_.size(1))},
                      m.options().dtype(at::kDouble));
    compose.value = y.const_data_ptr();
    compose.value_type = element_type(y.scalar_type());
    const at::Tensor& bias = call_.layer.bias;
    if (bias.defined()) {
      compose.bias = bias.const_data_ptr();
      compose.bias_type = element_type(bias.scalar_type());
    }
    compose.gain = fp32_data(call_.norm.gain, "gain");
    compose.divisor = fp32_data(m, "m");
    compose.norm = fp32_data(call_.norm.norm, "norm");
    compose.bound = kSmallGain;
    compose.dyg = dyg_.data_ptr();
    compose.dm = result_.m.data_ptr<float>();
    compose.flagged = flagged_.data_ptr<uint8_t>();
    compose.workspace = sums_.data_ptr<double>();
    weight_ = whole_weight(*call_.layer.weight);
    if (weight_.defined()) {
      args_.weight = weight_.const_data_ptr();
      args_.weight_type = element_type(weight_.scalar_type());
    }
  }

  Gradients run(bool needs_x, at::IntArrayRef x_sizes) {
    const int64_t rank = a_.size(0);
    const at::Tensor du = fp32_like(dy_, {dy_.size(0), rank});
    result_.a = at::empty_like(a_);
    result_.b = at::empty_like(b_);
    args_.x = saved_.x.const_data_ptr();
    args_.in = saved_.x.size(1);
    args_.rank = rank;
    if (rank > 0) {
      args_.u = narrow_of(saved_.u);
      args_.up = fp32_data(b_, "B");
      args_.du = du.data_ptr<float>();
      args_.du_stride = rank;
      args_.d_down = result_.a.data_ptr<float>();
      args_.d_up = result_.b.data_ptr<float>();
    }
    args_.scale = static_cast<float>(call_.scale);
    const at::Tensor parts = fp32_like(
        dy_, {call_.core->adapter_backward_workspace(dy_.size(0), args_.in, dy_.size(1), rank)});
    args_.workspace = parts.data_ptr<float>();
    call_.core->adapter_backward(args_);
    if (flagged_.defined() && !weight_.defined()) {
      recompute_dm(flagged_, dy_, saved_, b_, call_, result_.m);
    }
    if (needs_x) add_x_gradient(du, x_sizes);
    return std::move(result_);
  }

 private:
  // Below this share of the norm, y/m has lost too many digits to the bias for dm.
  static constexpr float kSmallGain = 1e-3f;

  // dx = dyg·W + du·A.
  void add_x_gradient(const at::Tensor& du, at::IntArrayRef x_sizes) {
    at::Tensor dx = call_.layer.weight->matmul_transposed(dyg_);
    if (du.size(1) > 0) {
      dx = dx.contiguous();
      ComposeForwardArgs args;
      args.on = args_.compose.on;
      args.base = dx.data_ptr();
      args.type = element_type(dx.scalar_type());
      args.narrow = narrow_of(du);
      args.factor = {fp32_data(a_, "A"), du.size(1), false};
      args.tokens = dx.size(0);
      args.out = dx.size(1);
      call_.core->compose_forward(args);
    }
    result_.x = dx.view(x_sizes);
  }

  const Call& call_;
  const Forward& saved_;
  const at::Tensor& dy_;
  const at::Tensor& a_;
  const at::Tensor& b_;
  at::Tensor dyg_;
  at::Tensor flagged_;
  at::Tensor sums_;
  at::Tensor weight_;
  Gradients result_;
  AdapterBackwardArgs args_;
};

// On the meta device, where no number is computed.
Gradients meta_gradients(const at::Tensor& a, const at::Tensor& b, const at::Tensor& m,
                         at::IntArrayRef x_sizes, const at::Tensor& dy) {
  return {at::empty(x_sizes, dy.options()), at::empty_like(a), at::empty_like(b),
          m.defined() ? at::empty_like(m) : at::Tensor()};
}

std::vector<int64_t> x_sizes_of(const at::Tensor& dy, int64_t in) {
  std::vector<int64_t> sizes = dy.sizes().vec();
  sizes.back() = in;
  return sizes;
}

struct LoraLinear : torch::autograd::Function<LoraLinear> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& a, const at::Tensor& b,
                            const c10::intrusive_ptr<Call>& call) {
    const Forward result = forward_of(x, a, b, *call);
    call->layer.product.reset();
    context->saved_data["call"] = c10::IValue::make_capsule(call);
    context->save_for_backward({result.x, result.u, a, b});
    return result.y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list outputs) {
    const auto holder = context->saved_data["call"].toCapsule();
    const Call& call = static_cast<const Call&>(*holder);
    const auto saved = context->get_saved_variables();
    const Forward forward{{}, saved[0], saved[1]};
    const auto sizes = x_sizes_of(outputs[0], saved[0].size(1));
    if (outputs[0].is_meta()) {
      const Gradients g = meta_gradients(saved[2], saved[3], {}, sizes, outputs[0]);
      return {g.x, g.a, g.b, at::Tensor()};
    }
    const at::Tensor dy = rows_of(outputs[0]).contiguous();
    Backward work(call, forward, dy, saved[2], saved[3]);
    const Gradients g = work.run(context->needs_input_grad(0), sizes);
    return {g.x, g.a, g.b, at::Tensor()};
  }
};

struct DoraLinear : torch::autograd::Function<DoraLinear> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& a, const at::Tensor& b, const at::Tensor& m,
                            const c10::intrusive_ptr<Call>& call) {
    const Forward result = forward_of(x, a, b, *call);
    call->layer.product.reset();
    context->saved_data["call"] = c10::IValue::make_capsule(call);
    context->save_for_backward({result.x, result.u, a, b, m, result.y});
    return result.y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list outputs) {
    const auto holder = context->saved_data["call"].toCapsule();
    const Call& call = static_cast<const Call&>(*holder);
    const auto saved = context->get_saved_variables();
    const Forward forward{{}, saved[0], saved[1]};
    const auto sizes = x_sizes_of(outputs[0], saved[0].size(1));
    if (outputs[0].is_meta()) {
      const Gradients g = meta_gradients(saved[2], saved[3], saved[4], sizes, outputs[0]);
      return {g.x, g.a, g.b, g.m, at::Tensor()};
    }
    const at::Tensor dy = rows_of(outputs[0]).contiguous();
    Backward work(call, forward, dy, saved[2], saved[3]);
    work.want_magnitude(rows_of(saved[5]).contiguous(), saved[4]);
    const Gradients g = work.run(context->needs_input_grad(0), sizes);
    return {g.x, g.a, g.b, g.m, at::Tensor()};
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
  return forward_of(x, a, b, *call).y;
}

at::Tensor dora_linear(const at::Tensor& x, const FrozenLayer& layer, const at::Tensor& a,
                       const at::Tensor& b, const at::Tensor& m, const DoraNorm& norm, double scale,
                       const AdapterCore& core) {
  const auto call = make_call(layer, norm, scale, core);
  if (at::GradMode::is_enabled()) return DoraLinear::apply(x, a, b, m, call);
  return forward_of(x, a, b, *call).y;
}

}  // namespace dorabooth
