// Gradient norm, clipping and state of all optimizers, over the adapter core.
#include "src/optimizer/optimizer.h"

#include <ATen/ATen.h>

#include "src/base/error.h"
#include "src/device/adapter_core_choice.h"

namespace dorabooth {

namespace {

const char* const kLayout = "layout";

// Begin and end of every parameter: what a state's flat buffers mean.
at::Tensor layout_of(const FlatParameters& flat) {
  at::Tensor layout = at::empty({static_cast<int64_t>(flat.slots().size()), 2}, at::kLong);
  int64_t* out = layout.mutable_data_ptr<int64_t>();
  for (const FlatParameters::Slot& slot : flat.slots()) {
    *out++ = slot.begin;
    *out++ = slot.end;
  }
  return layout;
}

}  // namespace

Optimizer::Optimizer(std::vector<ParameterGroup> groups)
    : groups_(std::move(groups)), flat_(groups_) {
  for (const ParameterGroup& group : groups_) {
    if (!(group.learning_rate >= 0) || !(group.weight_decay >= 0)) {
      fail("parameter group ", group.name, ": learning rate ", group.learning_rate,
           " and weight decay ", group.weight_decay, " must not be negative");
    }
  }
  norm_workspace_ = at::empty({l2_norm_workspace(flat_.values().numel()) + 1},
                              flat_.values().options().dtype(at::kDouble));
}

at::Tensor Optimizer::Range::of(const at::Tensor& buffer) const {
  return buffer.slice(0, begin, end);
}

std::vector<Optimizer::Range> Optimizer::ranges() const {
  std::vector<Range> result;
  for (size_t i = 0; i < flat_.slots().size(); ++i) {
    if (!flat_.received(i)) continue;
    const FlatParameters::Slot& slot = flat_.slots()[i];
    // The next multiple of 4 is where a neighbour begins.
    if (!result.empty() && slot.begin - result.back().end < 4 &&
        result.back().group == slot.group) {
      result.back().end = slot.end;
    } else {
      result.push_back({slot.begin, slot.end, slot.group});
    }
  }
  return result;
}

void Optimizer::zero_grad() { flat_.clear_gradients(); }

at::Tensor Optimizer::norm_of_gradients() {
  at::NoGradGuard no_grad;
  flat_.collect_gradients();
  const c10::Device device = flat_.values().device();
  double* workspace = norm_workspace_.mutable_data_ptr<double>();
  L2NormArgs args;
  args.on = execution_on(device);
  args.data = flat_.gradients().const_data_ptr<float>();
  args.count = flat_.gradients().numel();
  args.norm = workspace;
  args.workspace = workspace + 1;
  adapter_core(device).l2_norm(args);
  return norm_workspace_[0];
}

double Optimizer::grad_norm() { return norm_of_gradients().item<double>(); }

double Optimizer::clip(double max_norm) {
  if (!(max_norm > 0)) fail("the gradient norm's limit must be above 0, got ", max_norm);
  const at::Tensor norm = norm_of_gradients();
  const c10::Device device = flat_.values().device();
  ScaleArgs args;
  args.on = execution_on(device);
  args.data = flat_.gradients().mutable_data_ptr<float>();
  args.count = flat_.gradients().numel();
  args.norm = norm.const_data_ptr<double>();
  args.max_norm = max_norm;
  adapter_core(device).scale(args);
  return norm.item<double>();
}

void Optimizer::scale_gradients(float factor) {
  flat_.collect_gradients();
  const c10::Device device = flat_.values().device();
  ScaleArgs args;
  args.on = execution_on(device);
  args.data = flat_.gradients().mutable_data_ptr<float>();
  args.count = flat_.gradients().numel();
  args.factor = factor;
  adapter_core(device).scale(args);
}

void Optimizer::step(double learning_rate_factor) {
  at::NoGradGuard no_grad;
  flat_.collect_gradients();
  update(learning_rate_factor);
}

const FlatParameters::Slot& Optimizer::slot_of(const at::Tensor& parameter) const {
  for (const FlatParameters::Slot& slot : flat_.slots()) {
    if (slot.parameter.is_same(parameter)) return slot;
  }
  fail("the optimizer does not train this parameter");
}

void Optimizer::rescale(const at::Tensor& parameter, const at::Tensor& factor) {
  at::NoGradGuard no_grad;
  const FlatParameters::Slot& slot = slot_of(parameter);
  FlatParameters::part(flat_.values(), slot).mul_(factor);
  on_rescaled(slot, factor);
}

void Optimizer::settle(const at::Tensor& parameter) {
  at::NoGradGuard no_grad;
  on_settled(slot_of(parameter));
}

std::map<std::string, at::Tensor> Optimizer::state() const {
  std::map<std::string, at::Tensor> result = {{kLayout, layout_of(flat_)}};
  for (const auto& [name, buffer] : buffers()) result[name] = buffer.detach().cpu().clone();
  return result;
}

void Optimizer::load_state(const std::map<std::string, at::Tensor>& state) {
  at::NoGradGuard no_grad;
  std::map<std::string, at::Tensor> wanted = buffers();
  wanted[kLayout] = layout_of(flat_);
  for (const auto& [name, buffer] : wanted) {
    const auto found = state.find(name);
    if (found == state.end()) fail("the optimizer state has no '", name, "'");
    if (found->second.sizes() != buffer.sizes() ||
        found->second.scalar_type() != buffer.scalar_type()) {
      fail("optimizer state '", name, "' has shape ", shape_text(found->second.sizes().vec()),
           " and type ", c10::toString(found->second.scalar_type()), ", want ",
           shape_text(buffer.sizes().vec()), " and ", c10::toString(buffer.scalar_type()));
    }
  }
  for (const auto& [name, tensor] : state) {
    if (!wanted.count(name)) fail("the optimizer state has an unknown tensor '", name, "'");
  }
  if (!at::equal(state.at(kLayout).cpu(), wanted.at(kLayout))) {
    fail("the optimizer state is of other parameters: their sizes or their order differ");
  }
  for (const auto& [name, buffer] : buffers()) buffer.copy_(state.at(name));
}

}  // namespace dorabooth
