// A starts from a stream named after its module, so that every kind starts from the same A.
#include "src/adapter/set.h"

#include <ATen/ATen.h>

#include <cmath>
#include <span>

#include "src/adapter/adapter_keys.h"
#include "src/adapter/low_rank.h"
#include "src/adapter/vera.h"
#include "src/base/error.h"
#include "src/base/random_stream.h"

namespace dorabooth {

namespace {

std::unique_ptr<LowRankAdapter> make_adapter(AdapterTensors tensors, const AdapterSpec& spec,
                                             const std::string& module, uint64_t seed,
                                             const AdapterCore& core) {
  // The mask's stream knows the module and not the kind: a twin run drops the same inputs for both.
  const uint64_t dropout_key = RandomStream(seed, "dropout/" + module).key();
  return spec.has_magnitude() ? make_dora(std::move(tensors), spec, dropout_key, core)
                              : make_lora(std::move(tensors), spec, dropout_key, core);
}

// A as the specification starts it: N(0, 1/r²) or Kaiming uniform (bound 1/sqrt(in)).
at::Tensor initial_a(const AdapterSpec& spec, const std::string& module, int64_t rank, int64_t in,
                     uint64_t seed) {
  at::Tensor a = at::empty({rank, in}, at::kFloat);
  const std::span<float> values(a.data_ptr<float>(), static_cast<size_t>(a.numel()));
  if (rank == 0) return a;
  const RandomStream stream(seed, "init/" + module);
  if (spec.init_lora_weights == "gaussian") {
    stream.normal(0, 0, values);
    return a.div_(static_cast<double>(rank));
  }
  stream.uniform(0, 0, values);
  return a.mul_(2.0).sub_(1.0).div_(std::sqrt(static_cast<double>(in)));
}

void check_shape(const std::string& name, const at::Tensor& tensor, at::IntArrayRef want) {
  if (!tensor.defined()) fail(name, ": missing");
  if (tensor.sizes() != want) {
    fail(name, ": want ", shape_text(want.vec()), ", got ", shape_text(tensor.sizes().vec()));
  }
}

}  // namespace

StrengthRule parse_strength_rule(const std::string& name) {
  if (name == "peft") return StrengthRule::kPeft;
  if (name == "lerp") return StrengthRule::kLerp;
  throw UsageError(concat("strength rule: '", name, "' is not one of peft, lerp"));
}

AttachScope::AttachScope(std::vector<std::pair<nn::Linear*, Adapter*>> attached)
    : attached_(std::move(attached)) {
  for (auto& [layer, adapter] : attached_) layer->attach(adapter);
}

AttachScope::AttachScope(AttachScope&& other) noexcept : attached_(std::move(other.attached_)) {
  other.attached_.clear();
}

AttachScope& AttachScope::operator=(AttachScope&& other) noexcept {
  if (this != &other) {
    release();
    attached_ = std::move(other.attached_);
    other.attached_.clear();
  }
  return *this;
}

AttachScope::~AttachScope() { release(); }

void AttachScope::release() {
  for (auto& [layer, adapter] : attached_) layer->detach(adapter);
  attached_.clear();
}

AdapterSet AdapterSet::create(const AdapterSpec& spec, const LinearLayers& layers, uint64_t seed,
                              const AdapterCore& core) {
  at::NoGradGuard no_grad;
  AdapterSet set;
  set.spec_ = spec;
  check_adapter_spec(spec);
  std::map<std::string, VeraProjections> shared;
  if (spec.is_vera()) shared = vera_projections(spec, layers);
  for (const auto& [module, layer] : layers) {
    if (!spec.targets(module)) continue;
    const int64_t rank = spec.rank_of(module);
    const FrozenWeight& weight = *layer->weight();
    const at::Tensor norm2 = spec.norm_axis == "input" ? weight.column_norm2() : weight.row_norm2();
    AdapterTensors tensors;
    if (spec.is_vera() && rank > 0) {
      VeraProjections& pair = shared.at(component_of(module));
      pair = {pair.a.to(norm2.device()), pair.b.to(norm2.device())};
      tensors.a = pair.a.slice(1, 0, layer->in_features());
      tensors.b = pair.b.slice(0, 0, layer->out_features());
      tensors.vera_d = at::full({rank}, spec.d_initial, norm2.options());
      tensors.vera_b = at::zeros({layer->out_features()}, norm2.options());
    } else {
      tensors.a = initial_a(spec, module, rank, layer->in_features(), seed).to(norm2.device());
      tensors.b = at::zeros({layer->out_features(), rank}, norm2.options());
    }
    // In double: fp32 square roots of LibTorch are not correctly rounded, and m must equal the norm
    // exactly.
    if (spec.has_magnitude()) tensors.m = norm2.to(at::kDouble).sqrt().to(at::kFloat);
    tensors.alpha = spec.alpha_of(module);
    set.entries_.push_back(
        {module, layer, make_adapter(std::move(tensors), spec, module, seed, core)});
  }
  if (set.entries_.empty()) {
    std::string patterns;
    for (const std::string& pattern : spec.target_modules) patterns += " " + pattern;
    fail("no linear layer of the base matches the target modules", patterns);
  }
  return set;
}

AdapterSet AdapterSet::from_tensors(const AdapterSpec& spec, const LinearLayers& layers,
                                    const std::map<std::string, AdapterTensors>& tensors,
                                    const AdapterCore& core) {
  AdapterSet set;
  set.spec_ = spec;
  for (const auto& [module, layer] : layers) {
    const auto found = tensors.find(module);
    if (found == tensors.end()) continue;
    AdapterTensors own = found->second;
    check_shape(module + ".A", own.a, {own.a.size(0), layer->in_features()});
    check_shape(module + ".B", own.b, {layer->out_features(), own.a.size(0)});
    if (spec.has_magnitude()) {
      check_shape(module + ".m", own.m,
                  {spec.norm_axis == "input" ? layer->in_features() : layer->out_features()});
    }
    const auto device = layer->weight()->rows(0, 1).device();
    const bool shares = own.vera_d.defined();
    if (shares) {
      check_shape(module + ".d", own.vera_d, {own.a.size(0)});
      check_shape(module + ".b", own.vera_b, {layer->out_features()});
      own.a = own.a.detach().to(device, at::kFloat);
      own.b = own.b.detach().to(device, at::kFloat);
    }
    for (at::Tensor* tensor : {&own.a, &own.b, &own.m, &own.vera_d, &own.vera_b}) {
      if (shares && (tensor == &own.a || tensor == &own.b)) continue;
      if (tensor->defined()) {
        *tensor = tensor->detach()
                      .to(device, at::kFloat, /*non_blocking=*/false, /*copy=*/true)
                      .contiguous();
      }
    }
    set.entries_.push_back({module, layer, make_adapter(std::move(own), spec, module, 0, core)});
  }
  if (set.entries_.size() != tensors.size()) {
    std::vector<std::string> names;
    for (const auto& [module, layer] : layers) names.push_back(module);
    for (const auto& [module, unused] : tensors) {
      if (!set.find(module)) fail("the base has no layer ", module, did_you_mean(module, names));
    }
  }
  return set;
}

AttachScope AdapterSet::attach() {
  std::vector<std::pair<nn::Linear*, Adapter*>> attached;
  for (Entry& entry : entries_) attached.emplace_back(entry.layer, entry.adapter.get());
  return AttachScope(std::move(attached));
}

std::vector<AdapterParameter> AdapterSet::parameters() const {
  std::vector<AdapterParameter> result;
  for (const Entry& entry : entries_) {
    for (auto& [role, value] : entry.adapter->parameters()) {
      result.push_back({entry.module + "." + role, entry.module, value});
    }
  }
  return result;
}

std::map<std::string, AdapterTensors> AdapterSet::tensors() const {
  std::map<std::string, AdapterTensors> result;
  for (const Entry& entry : entries_) result[entry.module] = entry.adapter->tensors();
  return result;
}

const Adapter* AdapterSet::find(const std::string& module) const {
  for (const Entry& entry : entries_) {
    if (entry.module == module) return entry.adapter.get();
  }
  return nullptr;
}

Adapter* AdapterSet::find(const std::string& module) {
  return const_cast<Adapter*>(std::as_const(*this).find(module));
}

void AdapterSet::on_parameters_changed() {
  for (Entry& entry : entries_) entry.adapter->on_parameters_changed();
}

void AdapterSet::set_strength(double strength, StrengthRule rule) {
  for (Entry& entry : entries_) entry.adapter->set_strength(strength, rule);
}

void AdapterSet::set_training(bool training, uint64_t step, uint32_t index) {
  for (Entry& entry : entries_) entry.adapter->set_training(training, step, index);
}

void AdapterSet::set_rows(const std::vector<RowSpan>& rows) {
  for (Entry& entry : entries_) entry.adapter->set_rows(rows);
}

}  // namespace dorabooth
