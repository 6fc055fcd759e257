// Scale and dropout, the same for every low-rank kind.
#include "src/adapter/low_rank.h"

#include <ATen/ATen.h>

#include <cmath>

#include "src/base/error.h"
#include "src/ops/frozen_linear.h"

namespace dorabooth {

LowRankAdapter::LowRankAdapter(AdapterTensors tensors, const AdapterSpec& spec,
                               uint64_t dropout_key, const AdapterCore& core)
    : tensors_(std::move(tensors)), dropout_(spec.dropout), draw_{dropout_key}, core_(&core) {
  const auto rank = static_cast<double>(tensors_.a.size(0));
  if (rank == 0) return;
  if (tensors_.vera_d.defined()) {
    tensors_.vera_d.requires_grad_(true);
    tensors_.vera_b.requires_grad_(true);
    return;
  }
  base_scale_ = tensors_.alpha / (spec.use_rslora ? std::sqrt(rank) : rank);
  tensors_.a.requires_grad_(true);
  tensors_.b.requires_grad_(true);
}

std::vector<std::pair<std::string, at::Tensor>> LowRankAdapter::parameters() {
  std::vector<std::pair<std::string, at::Tensor>> result;
  if (tensors_.vera_d.defined()) {
    result = {{"d", tensors_.vera_d}, {"b", tensors_.vera_b}};
  } else if (tensors_.a.size(0) > 0) {
    result = {{"A", tensors_.a}, {"B", tensors_.b}};
  }
  if (tensors_.m.defined()) result.emplace_back("m", tensors_.m);
  return result;
}

AdapterTensors LowRankAdapter::tensors() const {
  AdapterTensors result = tensors_;
  for (at::Tensor* tensor : {&result.a, &result.b, &result.m, &result.vera_d, &result.vera_b}) {
    if (tensor->defined()) *tensor = tensor->detach();
  }
  return result;
}

at::Tensor LowRankAdapter::a() const {
  return tensors_.vera_d.defined() ? tensors_.vera_d.unsqueeze(1) * tensors_.a : tensors_.a;
}

at::Tensor LowRankAdapter::b() const {
  return tensors_.vera_b.defined() ? tensors_.vera_b.unsqueeze(1) * tensors_.b : tensors_.b;
}

void LowRankAdapter::set_strength(double strength, StrengthRule rule) {
  strength_ = strength;
  rule_ = rule;
  on_parameters_changed();
}

void LowRankAdapter::set_training(bool training, uint64_t step, uint32_t index) {
  training_ = training;
  draw_.step = step;
  draw_.index = index;
}

double LowRankAdapter::scale() const {
  return rule_ == StrengthRule::kPeft ? base_scale_ * strength_ : base_scale_;
}

bool LowRankAdapter::rounds_together(const at::Tensor& x, const FrozenLayer& layer) {
  return x.scalar_type() != at::kFloat && layer.bias.defined() && !layer.product.defined();
}

at::Tensor LowRankAdapter::base_of(const at::Tensor& x, const FrozenLayer& layer) {
  if (layer.product.defined()) return layer.product;
  return frozen_linear(x, layer.weight, rounds_together(x, layer) ? layer.bias : at::Tensor());
}

at::Tensor LowRankAdapter::dropped(const at::Tensor& x) const {
  if (rows_.empty()) return x * dropout_mask(x, draw_, dropout_, core());
  const int64_t numbers_a_row = x.numel() / x.size(0);
  std::vector<at::Tensor> parts;
  int64_t row = 0;
  for (const RowSpan& span : rows_) {
    const at::Tensor part = x.slice(0, row, row + span.count);
    const DropoutDraw draw{draw_.key, draw_.step, span.index};
    parts.push_back(dropout_mask(part, draw, dropout_, core(), span.first * numbers_a_row));
    row += span.count;
  }
  if (row != x.size(0)) fail("dropout for ", row, " rows of a batch that has ", x.size(0));
  return x * (parts.size() == 1 ? parts[0] : at::cat(parts));
}

}  // namespace dorabooth
