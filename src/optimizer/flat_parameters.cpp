// Lays parameters out and keeps track of which of them received a gradient.
#include "src/optimizer/flat_parameters.h"

#include <ATen/ATen.h>

#include <optional>
#include <set>

#include "src/base/error.h"

namespace dorabooth {

namespace {

constexpr int64_t kAlignment = 4;  // floats: 16 bytes

void check_parameter(const std::string& name, const at::Tensor& parameter, c10::Device device) {
  if (!parameter.defined() || parameter.scalar_type() != at::kFloat) {
    fail("parameter ", name, " is not fp32: an optimizer trains fp32 parameters only");
  }
  if (!parameter.is_leaf() || !parameter.requires_grad()) {
    fail("parameter ", name, " is not a leaf that requires a gradient");
  }
  if (parameter.device() != device) {
    fail("parameter ", name, " is on ", parameter.device().str(), ", others are on ", device.str());
  }
}

}  // namespace

FlatParameters::FlatParameters(const std::vector<ParameterGroup>& groups)
    : received_(std::make_shared<std::vector<char>>()) {
  std::set<const void*> seen;
  std::optional<c10::Device> device;
  int64_t size = 0;
  for (size_t group = 0; group < groups.size(); ++group) {
    for (const auto& [name, parameter] : groups[group].parameters) {
      if (!device && parameter.defined()) device = parameter.device();
      check_parameter(name, parameter, device.value_or(c10::Device(c10::kCPU)));
      if (!seen.insert(parameter.unsafeGetTensorImpl()).second) {
        fail("parameter ", name, " is given to the optimizer twice");
      }
      slots_.push_back({name, parameter, group, size, size + parameter.numel()});
      size += (parameter.numel() + kAlignment - 1) / kAlignment * kAlignment;
    }
  }
  if (slots_.empty()) fail("the optimizer has no parameters");

  values_ = at::zeros({size}, at::TensorOptions(at::kFloat).device(*device));
  packed_ = at::zeros({size + static_cast<int64_t>(slots_.size() + kFurther)}, values_.options());
  gradients_ = packed_.slice(0, 0, size);
  received_->assign(slots_.size(), 0);
  for (size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    const at::Tensor place = part(values_, slot);
    place.copy_(slot.parameter.detach());
    slot.parameter.set_data(place);
    gradient_parts_.push_back(part(gradients_, slot));
    slot.parameter.mutable_grad() = gradient_parts_[i];
    hooks_.push_back(slot.parameter.register_hook([received = received_, i](const at::Tensor& g) {
      if (g.defined()) (*received)[i] = 1;
    }));
  }
}

FlatParameters::~FlatParameters() {
  for (size_t i = 0; i < hooks_.size(); ++i) slots_[i].parameter.remove_hook(hooks_[i]);
}

at::Tensor FlatParameters::zeros() const { return at::zeros_like(values_); }

at::Tensor FlatParameters::part(const at::Tensor& buffer, const Slot& slot) {
  return buffer.slice(0, slot.begin, slot.end).view(slot.parameter.sizes());
}

void FlatParameters::clear_gradients() {
  gradients_.zero_();
  received_->assign(slots_.size(), 0);
  for (size_t i = 0; i < slots_.size(); ++i) {
    const at::Tensor& gradient = slots_[i].parameter.grad();
    const at::Tensor& place = gradient_parts_[i];
    if (!gradient.defined() || !gradient.is_alias_of(place)) {
      slots_[i].parameter.mutable_grad() = place;
    }
  }
}

void FlatParameters::collect_gradients() {
  for (size_t i = 0; i < slots_.size(); ++i) {
    const at::Tensor gradient = slots_[i].parameter.grad();
    const at::Tensor& place = gradient_parts_[i];
    if (gradient.defined() && gradient.is_alias_of(place)) continue;
    if (gradient.defined()) {
      place.copy_(gradient);
      (*received_)[i] = 1;
    } else {
      place.zero_();
      (*received_)[i] = 0;
    }
    slots_[i].parameter.mutable_grad() = place;
  }
}

void FlatParameters::receive(size_t slot, const std::vector<at::Tensor>& parts) {
  const at::NoGradGuard no_grad;
  const at::Tensor& place = gradient_parts_[slot];
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i == 0) {
      place.copy_(parts[i]);
    } else {
      place.add_(parts[i]);
    }
  }
  if (!parts.empty()) (*received_)[slot] = 1;
}

const at::Tensor& FlatParameters::pack(const std::vector<double>& further) {
  if (further.size() > kFurther) fail(further.size(), " numbers, and at most ", kFurther, " fit");
  collect_gradients();
  const int64_t size = gradients_.numel();
  at::Tensor tail = at::zeros({packed_.numel() - size}, at::kFloat);
  float* out = tail.mutable_data_ptr<float>();
  for (const char received : *received_) *out++ = received != 0 ? 1.0f : 0.0f;
  for (const double number : further) *out++ = static_cast<float>(number);
  packed_.slice(0, size).copy_(tail);
  return packed_;
}

std::vector<double> FlatParameters::unpack(size_t further_count) {
  const at::Tensor tail = packed_.slice(0, gradients_.numel()).to(at::kCPU).contiguous();
  const float* in = tail.const_data_ptr<float>();
  for (char& received : *received_) received = *in++ > 0 ? 1 : 0;
  return {in, in + further_count};
}

}  // namespace dorabooth
