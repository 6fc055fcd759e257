// Convolution weights are kept as [out, h, w, in], which the models see as channels_last: no copy
// stands between the optimizer's flat buffer and the products.
#include "pipelines/parts/weight_replicas.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "src/adapter/spec.h"
#include "src/base/error.h"
#include "src/device/parallel_for.h"

namespace dorabooth {

namespace {

constexpr const char* kAverage = "average/";
constexpr const char* kMaster = "master/";
constexpr const char* kOptimizer = "optimizer/";
constexpr const char* kSteps = "steps";

at::Tensor in_master_layout(const at::Tensor& value) {
  return value.dim() == 4 ? value.permute({0, 2, 3, 1}) : value;
}

at::Tensor in_model_layout(const at::Tensor& value) {
  return value.dim() == 4 ? value.permute({0, 3, 1, 2}) : value;
}

bool is_frozen(const std::string& name, const std::vector<std::string>& globs) {
  return std::any_of(globs.begin(), globs.end(),
                     [&](const std::string& glob) { return module_matches(glob, name); });
}

std::vector<nn::LayerParameter> parameters_of(const ModelSet& models) {
  std::vector<nn::LayerParameter> all;
  for (const auto& [component, model] : models) {
    for (nn::LayerParameter& parameter : nn::layer_parameters(*model)) {
      parameter.full_name = component + "." + parameter.full_name;
      all.push_back(std::move(parameter));
    }
  }
  return all;
}

}  // namespace

WeightReplicas::WeightReplicas(std::vector<ModelSet> replicas, const ReplicaOptions& options)
    : replicas_(std::move(replicas)), options_(options) {
  std::vector<std::vector<nn::LayerParameter>> parameters;
  for (const ModelSet& models : replicas_) parameters.push_back(parameters_of(models));
  std::vector<ParameterGroup> groups(2);
  groups[0] = {"matrices", {}, options.learning_rate, options.weight_decay};
  groups[1] = {"vectors", {}, options.learning_rate, 0.0};
  for (const bool vectors : {false, true}) {
    for (size_t i = 0; i < parameters[0].size(); ++i) {
      const nn::LayerParameter& first = parameters[0][i];
      if ((first.value.dim() == 1) != vectors) continue;
      if (is_frozen(first.full_name, options.frozen)) {
        frozen_[first.full_name] = first.value.detach().clone();
        for (auto& copy : parameters)
          copy[i].layer->assign(copy[i].name, frozen_[first.full_name].to(options.dtype));
        continue;
      }
      Trained trained;
      trained.name = first.full_name;
      trained.master = in_master_layout(first.value.detach())
                           .to(at::kFloat)
                           .clone(at::MemoryFormat::Contiguous)
                           .requires_grad_();
      for (auto& copy : parameters) trained.use.push_back(copy[i]);
      groups[vectors ? 1 : 0].parameters.emplace_back(trained.name, trained.master);
      trained_.push_back(std::move(trained));
    }
  }
  std::erase_if(groups, [](const ParameterGroup& group) { return group.parameters.empty(); });
  optimizer_ = make_adamw(std::move(groups), options.adamw);
  for (Trained& trained : trained_) {
    trained.average = trained.master.detach().clone();
    if (options.dtype != at::kFloat) trained.shadow = trained.master.detach().to(options.dtype);
  }
  bind();
}

void WeightReplicas::bind() {
  for (Trained& trained : trained_) {
    const at::Tensor values =
        in_model_layout(trained.shadow.defined() ? trained.shadow : trained.master.detach());
    trained.leaves.clear();
    for (nn::LayerParameter& use : trained.use) {
      const at::Tensor leaf = values.detach().requires_grad_();
      use.layer->assign(use.name, leaf);
      trained.leaves.push_back(leaf);
    }
  }
}

int64_t WeightReplicas::trainable_numbers() const {
  int64_t numbers = 0;
  for (const Trained& trained : trained_) numbers += trained.master.numel();
  return numbers;
}

void WeightReplicas::accumulate(const std::function<void(size_t)>& backward) {
  optimizer_->zero_grad();
  parallel_for(0, static_cast<int64_t>(count()), 1, [&](int64_t begin, int64_t end) {
    const at::AutoGradMode records(true);
    for (int64_t i = begin; i < end; ++i) backward(static_cast<size_t>(i));
  });
  parallel_for(0, static_cast<int64_t>(trained_.size()), 8, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::vector<at::Tensor> parts;
      for (at::Tensor& leaf : trained_[static_cast<size_t>(i)].leaves) {
        if (!leaf.grad().defined()) continue;
        parts.push_back(in_master_layout(leaf.grad()));
        leaf.mutable_grad().reset();
      }
      optimizer_->receive_gradient(static_cast<size_t>(i), parts);
    }
  });
}

void WeightReplicas::refresh(Trained& trained, double decay) {
  const at::Tensor master = trained.master.detach();
  trained.average.lerp_(master, 1.0 - decay);
  if (trained.shadow.defined()) trained.shadow.copy_(master);
}

double WeightReplicas::step(double learning_rate_factor, double max_norm) {
  const at::NoGradGuard no_grad;
  const double norm = max_norm > 0 ? optimizer_->clip(max_norm) : optimizer_->grad_norm();
  optimizer_->step(learning_rate_factor);
  ++steps_;
  const auto done = static_cast<double>(steps_);
  const double decay = std::min(options_.ema_decay, (1.0 + done) / (10.0 + done));
  parallel_for(0, static_cast<int64_t>(trained_.size()), 8, [&](int64_t begin, int64_t end) {
    const at::NoGradGuard none;
    for (int64_t i = begin; i < end; ++i) refresh(trained_[static_cast<size_t>(i)], decay);
  });
  return norm;
}

std::map<std::string, at::Tensor> WeightReplicas::weights(bool average) const {
  std::map<std::string, at::Tensor> result = frozen_;
  for (const Trained& trained : trained_) {
    const at::Tensor& values = average ? trained.average : trained.master;
    result[trained.name] = in_model_layout(values.detach()).clone(at::MemoryFormat::Contiguous);
  }
  return result;
}

void WeightReplicas::use_average() {
  for (Trained& trained : trained_) {
    const at::Tensor values = in_model_layout(trained.average).to(options_.dtype);
    for (nn::LayerParameter& use : trained.use) use.layer->assign(use.name, values);
  }
}

void WeightReplicas::resume_training() { bind(); }

std::map<std::string, at::Tensor> WeightReplicas::state() const {
  std::map<std::string, at::Tensor> state;
  for (const Trained& trained : trained_) {
    state[kMaster + trained.name] = trained.master.detach();
    state[kAverage + trained.name] = trained.average;
  }
  for (const auto& [name, value] : optimizer_->state()) state[kOptimizer + name] = value;
  state[kSteps] = at::tensor(steps_, at::kLong);
  return state;
}

void WeightReplicas::load_state(const std::map<std::string, at::Tensor>& state) {
  const at::NoGradGuard no_grad;
  const auto found = [&](const std::string& name) -> const at::Tensor& {
    const auto one = state.find(name);
    if (one == state.end()) fail("the state lacks ", name);
    return one->second;
  };
  const auto copy = [&](const std::string& name, const at::Tensor& into) {
    const at::Tensor& value = found(name);
    if (value.sizes() != into.sizes()) {
      fail("the state's ", name, ": want ", shape_text(into.sizes().vec()), ", got ",
           shape_text(value.sizes().vec()));
    }
    into.copy_(value);
  };
  std::map<std::string, at::Tensor> of_optimizer;
  const std::string prefix = kOptimizer;
  for (const auto& [name, value] : state) {
    if (name.starts_with(prefix)) of_optimizer[name.substr(prefix.size())] = value;
  }
  for (Trained& trained : trained_) {
    copy(kMaster + trained.name, trained.master.detach());
    copy(kAverage + trained.name, trained.average);
    if (trained.shadow.defined()) trained.shadow.copy_(trained.master.detach());
  }
  optimizer_->load_state(of_optimizer);
  steps_ = found(kSteps).item<int64_t>();
}

}  // namespace dorabooth
