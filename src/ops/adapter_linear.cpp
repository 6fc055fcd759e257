// Forward and backward of adapted layers. With dyg = dy∘g (dy itself for LoRA):
//   du = s·dyg·B,  dB = s·dygᵀ·u,  dA = duᵀ·x,  dx = Σ (dyg·W + du·A),  dm = Σ_t dy∘(y − b)/m.
#include "src/ops/adapter_linear.h"

#include <torch/csrc/autograd/custom_function.h>

#include <ATen/ATen.h>

#include "src/device/adapter_core_choice.h"
#include "src/ops/core_arguments.h"

namespace dorabooth {

namespace {

// What travels beside the autograd arguments and gets no gradient.
struct Call : torch::CustomClassHolder {
  struct Layer {
    FrozenLayer frozen;
    DoraNorm norm;  // undefined tensors for LoRA
    double scale = 1.0;
    bool has_magnitude = false;
    int64_t first_rank = 0;  // of its part of u
    int64_t rank = 0;
  };
  std::vector<Layer> layers;
  int64_t rank = 0;  // of all together
  const AdapterCore* core = nullptr;
};

// The autograd arguments beside x: A, B and, where there is one, m of every layer.
struct Parameters {
  std::vector<at::Tensor> a, b, m;  // m undefined for LoRA

  // Reads them from a list that may be longer; `used` is how many they were.
  Parameters(const Call& call, at::TensorList tensors, size_t* used = nullptr) {
    size_t next = 0;
    for (const Call::Layer& layer : call.layers) {
      a.push_back(tensors[next++]);
      b.push_back(tensors[next++]);
      m.push_back(layer.has_magnitude ? tensors[next++] : at::Tensor());
    }
    if (used != nullptr) *used = next;
  }

  // A of all layers, one below the other.
  at::Tensor stacked_a() const { return a.size() == 1 ? a[0] : at::cat(a); }
};

at::Tensor rows_of(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}); }

// Whether the base's output is rounded to half precision with its bias in it, as in PEFT; in fp32
// the bias comes last.
bool base_has_bias(const FrozenLayer& layer, at::ScalarType dtype) {
  return dtype != at::kFloat && layer.bias.defined() && !layer.product.defined();
}

at::Tensor fp32_like(const at::Tensor& x, at::IntArrayRef sizes) {
  return at::empty(sizes, x.options().dtype(at::kFloat));
}

// A layer's columns of u or du [tokens, rank of all].
Narrow narrow_of(const at::Tensor& u, const Call::Layer& layer) {
  return {u.const_data_ptr<float>() + layer.first_rank, u.size(1)};
}

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
             const at::Tensor& b, const Call::Layer& layer, const AdapterCore& core) {
  ComposeForwardArgs args;
  args.on = execution_on(y.device());
  args.base = y.data_ptr();
  args.source = source.const_data_ptr();
  args.type = element_type(y.scalar_type());
  if (layer.rank > 0) {
    args.narrow = narrow_of(u, layer);
    args.factor = {fp32_data(b, "B"), layer.rank, true};
  }
  if (layer.norm.gain.defined()) args.gain = fp32_data(layer.norm.gain, "gain");
  const at::Tensor& bias = layer.frozen.bias;
  if (bias.defined()) {
    args.bias = bias.const_data_ptr();
    args.bias_type = element_type(bias.scalar_type());
  }
  args.base_has_bias = base_has_bias(layer.frozen, y.scalar_type());
  args.scale = static_cast<float>(layer.scale);
  args.out = y.size(-1);
  args.tokens = args.out == 0 ? 0 : y.numel() / args.out;
  core.compose_forward(args);
}

at::Tensor layer_output(const at::Tensor& x, const at::Tensor& u, const at::Tensor& b,
                        const Call::Layer& layer, const AdapterCore& core) {
  const FrozenLayer& frozen = layer.frozen;
  at::Tensor source;
  at::Tensor y;
  if (frozen.product.defined()) {
    source = frozen.product.contiguous();
    y = at::empty_like(source);
  } else {
    source = base_has_bias(frozen, x.scalar_type()) ? frozen.weight->affine(x, frozen.bias)
                                                    : frozen.weight->matmul(x);
    y = source;
  }
  if (!x.is_meta()) compose(y, source, u, b, layer, core);
  return y;
}

// What the layers keep for their backward beside their outputs: x as rows, and u = A·x of all.
struct Forward {
  std::vector<at::Tensor> y;
  at::Tensor x;  // [tokens, in]
  at::Tensor u;  // [tokens, rank of all] fp32
};

Forward forward_of(const at::Tensor& x, const Parameters& parameters, const Call& call) {
  Forward result;
  result.x = rows_of(x).contiguous();
  result.u = narrow_product(result.x, parameters.stacked_a(), *call.core);
  for (size_t i = 0; i < call.layers.size(); ++i) {
    result.y.push_back(layer_output(x, result.u, parameters.b[i], call.layers[i], *call.core));
  }
  return result;
}

// W where the core can read it whole.
at::Tensor whole_weight(const FrozenWeight& weight) {
  const int64_t rows = weight.out_features();
  return weight.core_row_count() >= rows ? weight.core_rows(0, rows) : at::Tensor();
}

// dm of the flagged columns of a weight that is not stored as a matrix, from W·x + s·B·u.
void recompute_dm(const at::Tensor& flagged, const at::Tensor& dy, const Forward& saved,
                  const at::Tensor& b, const Call::Layer& layer, at::Tensor& dm) {
  const at::Tensor columns = flagged.nonzero().flatten().cpu();
  if (columns.numel() == 0) return;
  std::vector<at::Tensor> picked;
  for (int64_t i = 0; i < columns.numel(); ++i) {
    const int64_t j = columns[i].item<int64_t>();
    picked.push_back(layer.frozen.weight->rows(j, j + 1));
  }
  const at::Tensor here = columns.to(dm.device());
  const at::Tensor u = saved.u.narrow(1, layer.first_rank, layer.rank);
  const at::Tensor v = saved.x.to(at::kFloat).mm(at::cat(picked).t()) +
                       layer.scale * u.mm(b.index_select(0, here).t());
  const at::Tensor norm = layer.norm.norm.index_select(0, here);
  const at::Tensor sum = (dy.index_select(1, here).to(at::kFloat) * v).sum(0);
  dm.index_copy_(0, here, at::where(norm > 0, sum / norm, at::zeros_like(sum)));
}

// Below this share of the norm, y/m has lost too many digits to the bias for dm.
constexpr float kSmallGain = 1e-3f;

struct Gradients {
  at::Tensor x;
  std::vector<at::Tensor> a, b, m;
};

// The backward of one call, layer after layer; what they share at the end.
class Backward {
 public:
  Backward(const Call& call, const Parameters& parameters, const Forward& saved)
      : call_(call),
        parameters_(parameters),
        saved_(saved),
        alone_(call.layers.size() == 1),
        du_(fp32_like(saved.x, {saved.x.size(0), call.rank})) {}

  // `dy` [tokens, out] contiguous; `y` as it was, for a layer with m.
  void add(size_t i, const at::Tensor& dy, const at::Tensor& y, bool needs_x) {
    const Call::Layer& layer = call_.layers[i];
    AdapterBackwardArgs args;
    ComposeBackwardArgs& compose = args.compose;
    compose.on = execution_on(dy.device());
    compose.dy = dy.const_data_ptr();
    compose.type = element_type(dy.scalar_type());
    compose.tokens = dy.size(0);
    compose.out = dy.size(1);
    Magnitude magnitude;
    magnitude.dyg = dy;
    if (layer.has_magnitude) want_magnitude(i, y, &args, &magnitude);
    args.x = saved_.x.const_data_ptr();
    args.in = saved_.x.size(1);
    args.rank = layer.rank;
    args.scale = static_cast<float>(layer.scale);
    at::Tensor d_down = at::empty_like(parameters_.a[i]);
    at::Tensor d_up = at::empty_like(parameters_.b[i]);
    if (layer.rank > 0) {
      args.u = narrow_of(saved_.u, layer);
      args.up = fp32_data(parameters_.b[i], "B");
      args.du = du_.data_ptr<float>() + layer.first_rank;
      args.du_stride = du_.size(1);
      args.d_up = d_up.data_ptr<float>();
      if (alone_) args.d_down = d_down.data_ptr<float>();
    }
    const at::Tensor workspace = workspace_of(args);
    args.workspace = workspace.data_ptr<float>();
    call_.core->adapter_backward(args);
    if (magnitude.flagged.defined() && !magnitude.weight.defined()) {
      recompute_dm(magnitude.flagged, dy, saved_, parameters_.b[i], layer, magnitude.dm);
    }
    result_.a.push_back(d_down);
    result_.b.push_back(d_up);
    result_.m.push_back(magnitude.dm);
    if (needs_x) add_product(*layer.frozen.weight, magnitude.dyg);
  }

  // What is left when every layer was added.
  Gradients finish(at::IntArrayRef x_sizes) {
    if (call_.rank > 0) {
      const at::Tensor a = parameters_.stacked_a();
      if (!alone_) split_down_gradient(a);
      if (result_.x.defined()) add_update(a);
    }
    if (result_.x.defined()) result_.x = result_.x.view(x_sizes);
    return std::move(result_);
  }

 private:
  // The tensors of one layer that live while the core works.
  struct Magnitude {
    at::Tensor dyg;
    at::Tensor dm, flagged, sums, weight;
  };

  at::Tensor workspace_of(const AdapterBackwardArgs& args) const {
    return fp32_like(saved_.x, {call_.core->adapter_backward_workspace(
                                   args.compose.tokens, args.in, args.compose.out, args.rank)});
  }

  // dyg and dm from the layer's own output y.
  void want_magnitude(size_t i, const at::Tensor& y, AdapterBackwardArgs* args,
                      Magnitude* magnitude) {
    const Call::Layer& layer = call_.layers[i];
    const at::Tensor& m = parameters_.m[i];
    ComposeBackwardArgs& compose = args->compose;
    magnitude->dyg = at::empty_like(magnitude->dyg);
    magnitude->dm = at::empty_like(m);
    magnitude->flagged = at::empty(m.sizes(), m.options().dtype(at::kByte));
    magnitude->sums = at::empty({compose_backward_workspace(compose.tokens, compose.out)},
                                m.options().dtype(at::kDouble));
    compose.value = y.const_data_ptr();
    compose.value_type = element_type(y.scalar_type());
    const at::Tensor& bias = layer.frozen.bias;
    if (bias.defined()) {
      compose.bias = bias.const_data_ptr();
      compose.bias_type = element_type(bias.scalar_type());
    }
    compose.gain = fp32_data(layer.norm.gain, "gain");
    compose.divisor = fp32_data(m, "m");
    compose.norm = fp32_data(layer.norm.norm, "norm");
    compose.bound = kSmallGain;
    compose.dyg = magnitude->dyg.data_ptr();
    compose.dm = magnitude->dm.data_ptr<float>();
    compose.flagged = magnitude->flagged.data_ptr<uint8_t>();
    compose.workspace = magnitude->sums.data_ptr<double>();
    magnitude->weight = whole_weight(*layer.frozen.weight);
    if (magnitude->weight.defined()) {
      args->weight = magnitude->weight.const_data_ptr();
      args->weight_type = element_type(magnitude->weight.scalar_type());
    }
  }

  void add_product(const FrozenWeight& weight, const at::Tensor& dyg) {
    const at::Tensor product = weight.matmul_transposed(dyg);
    result_.x = result_.x.defined() ? result_.x.add_(product) : product.contiguous();
  }

  // dA of all layers in one pass over x.
  void split_down_gradient(const at::Tensor& a) {
    const at::Tensor d_down = at::empty_like(a);
    AdapterBackwardArgs args;
    args.compose.on = execution_on(saved_.x.device());
    args.compose.type = element_type(saved_.x.scalar_type());
    args.compose.tokens = saved_.x.size(0);
    args.x = saved_.x.const_data_ptr();
    args.in = saved_.x.size(1);
    args.rank = call_.rank;
    args.du = du_.data_ptr<float>();
    args.du_stride = du_.size(1);
    args.d_down = d_down.data_ptr<float>();
    const at::Tensor workspace = workspace_of(args);
    args.workspace = workspace.data_ptr<float>();
    call_.core->adapter_backward(args);
    for (size_t i = 0; i < call_.layers.size(); ++i) {
      const Call::Layer& layer = call_.layers[i];
      result_.a[i] = d_down.narrow(0, layer.first_rank, layer.rank);
    }
  }

  // dx += du·A of all layers in one pass.
  void add_update(const at::Tensor& a) {
    ComposeForwardArgs args;
    args.on = execution_on(saved_.x.device());
    args.base = result_.x.data_ptr();
    args.type = element_type(result_.x.scalar_type());
    args.narrow = {du_.const_data_ptr<float>(), du_.size(1)};
    args.factor = {fp32_data(a, "A"), call_.rank, false};
    args.tokens = result_.x.size(0);
    args.out = result_.x.size(1);
    call_.core->compose_forward(args);
  }

  const Call& call_;
  const Parameters& parameters_;
  const Forward& saved_;
  bool alone_;
  at::Tensor du_;
  Gradients result_;
};

struct AdaptedLinears : torch::autograd::Function<AdaptedLinears> {
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context,
                                                const at::Tensor& x, at::TensorList parameters,
                                                const c10::intrusive_ptr<Call>& call) {
    const Forward result = forward_of(x, Parameters(*call, parameters), *call);
    for (Call::Layer& layer : call->layers) layer.frozen.product.reset();
    context->saved_data["call"] = c10::IValue::make_capsule(call);
    torch::autograd::variable_list saved(parameters.begin(), parameters.end());
    saved.push_back(result.x);
    saved.push_back(result.u);
    for (size_t i = 0; i < result.y.size(); ++i) {
      if (call->layers[i].has_magnitude) saved.push_back(result.y[i]);
    }
    context->save_for_backward(std::move(saved));
    return result.y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list dy) {
    const auto holder = context->saved_data["call"].toCapsule();
    const Call& call = static_cast<const Call&>(*holder);
    const auto saved = context->get_saved_variables();
    size_t next = 0;
    const Parameters parameters(call, saved, &next);
    const Forward forward{{}, saved[next], saved[next + 1]};
    next += 2;
    std::vector<int64_t> x_sizes = dy[0].sizes().vec();
    x_sizes.back() = forward.x.size(1);
    if (dy[0].is_meta()) return results(call, meta_gradients(parameters, x_sizes, dy[0]));
    Backward work(call, parameters, forward);
    for (size_t i = 0; i < call.layers.size(); ++i) {
      const bool has_magnitude = call.layers[i].has_magnitude;
      work.add(i, rows_of(dy[i]).contiguous(),
               has_magnitude ? rows_of(saved[next++]).contiguous() : at::Tensor(),
               context->needs_input_grad(0));
    }
    return results(call, work.finish(x_sizes));
  }

 private:
  // Where no number is computed.
  static Gradients meta_gradients(const Parameters& parameters, at::IntArrayRef x_sizes,
                                  const at::Tensor& dy) {
    Gradients gradients;
    gradients.x = at::empty(x_sizes, dy.options());
    for (const at::Tensor& a : parameters.a) gradients.a.push_back(at::empty_like(a));
    for (const at::Tensor& b : parameters.b) gradients.b.push_back(at::empty_like(b));
    for (const at::Tensor& m : parameters.m) {
      gradients.m.push_back(m.defined() ? at::empty_like(m) : at::Tensor());
    }
    return gradients;
  }

  static torch::autograd::variable_list results(const Call& call, const Gradients& gradients) {
    torch::autograd::variable_list list = {gradients.x};
    for (size_t i = 0; i < call.layers.size(); ++i) {
      list.push_back(gradients.a[i]);
      list.push_back(gradients.b[i]);
      if (call.layers[i].has_magnitude) list.push_back(gradients.m[i]);
    }
    list.emplace_back();
    return list;
  }
};

}  // namespace

std::vector<at::Tensor> adapted_linears(const at::Tensor& x,
                                        const std::vector<AdaptedLayer>& layers) {
  auto call = c10::make_intrusive<Call>();
  call->core = layers.front().core;
  std::vector<at::Tensor> parameters;
  for (const AdaptedLayer& layer : layers) {
    const int64_t rank = layer.a.size(0);
    call->layers.push_back(
        {layer.frozen, layer.norm, layer.scale, layer.m.defined(), call->rank, rank});
    call->rank += rank;
    parameters.push_back(layer.a);
    parameters.push_back(layer.b);
    if (layer.m.defined()) parameters.push_back(layer.m);
  }
  if (at::GradMode::is_enabled()) {
    return AdaptedLinears::apply(x, at::TensorList(parameters), call);
  }
  return forward_of(x, Parameters(*call, parameters), *call).y;
}

at::Tensor adapted_linear(const at::Tensor& x, const AdaptedLayer& layer) {
  return adapted_linears(x, {layer})[0];
}

}  // namespace dorabooth
