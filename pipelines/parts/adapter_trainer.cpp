// Parameter groups by component, and the training state as one file of named tensors.
#include "pipelines/parts/adapter_trainer.h"

#include <ATen/ATen.h>

#include <cmath>

#include "pipelines/parts/tensor_store.h"
#include "src/base/error.h"

namespace dorabooth {

namespace {

constexpr const char* kParameterPrefix = "parameter/";
constexpr const char* kOptimizerPrefix = "optimizer/";
constexpr const char* kLossScale = "loss_scale";

// torch.amp.GradScaler's defaults.
constexpr double kFirstLossScale = 65536.0;
constexpr int64_t kStepsUntilGrowth = 2000;

std::vector<ParameterGroup> groups_of(const AdapterSet& set, const TrainerOptions& options) {
  std::vector<ParameterGroup> groups = {
      {"unet", {}, options.learning_rate, options.weight_decay},
      {"text_encoder", {}, options.text_encoder_lr, options.weight_decay_text_encoder},
      {"text_encoder_2", {}, options.text_encoder_lr, options.weight_decay_text_encoder}};
  for (const AdapterParameter& parameter : set.parameters()) {
    const std::string component = parameter.module.substr(0, parameter.module.find('.'));
    for (ParameterGroup& group : groups) {
      if (group.name == component) group.parameters.emplace_back(parameter.name, parameter.value);
    }
  }
  std::erase_if(groups, [](const ParameterGroup& group) { return group.parameters.empty(); });
  return groups;
}

std::unique_ptr<Optimizer> make_optimizer(const AdapterSet& set, const TrainerOptions& options) {
  if (options.optimizer == "adamw") {
    return make_adamw(groups_of(set, options), {options.beta1, options.beta2, options.epsilon});
  }
  if (options.optimizer == "prodigy") {
    ProdigyOptions prodigy;
    prodigy.beta1 = options.beta1;
    prodigy.beta2 = options.beta2;
    prodigy.epsilon = options.epsilon;
    prodigy.use_bias_correction = options.prodigy_use_bias_correction;
    prodigy.safeguard_warmup = options.prodigy_safeguard_warmup;
    return make_prodigy(groups_of(set, options), prodigy);
  }
  fail("unknown optimizer '", options.optimizer, "'");
}

}  // namespace

AdapterTrainer::AdapterTrainer(std::string name, AdapterSet set, const TrainerOptions& options)
    : name_(std::move(name)),
      set_(std::move(set)),
      max_grad_norm_(options.max_grad_norm),
      scales_loss_(options.scale_loss),
      loss_scale_(options.scale_loss ? kFirstLossScale : 1.0),
      optimizer_(make_optimizer(set_, options)) {
  set_.on_parameters_changed();
}

void AdapterTrainer::accumulate(const at::Tensor& loss, double weight) {
  const double factor = weight * loss_scale_;
  (factor == 1.0 ? loss : loss * factor).backward();
}

double AdapterTrainer::step(double lr_factor) {
  if (scales_loss_) optimizer_->scale_gradients(static_cast<float>(1.0 / loss_scale_));
  const double norm =
      max_grad_norm_ > 0 ? optimizer_->clip(max_grad_norm_) : optimizer_->grad_norm();
  const bool usable = std::isfinite(norm);
  if (usable) {
    optimizer_->step(lr_factor);
    set_.on_parameters_changed();
  }
  optimizer_->zero_grad();
  if (scales_loss_) {
    good_steps_ = usable ? good_steps_ + 1 : 0;
    if (!usable) loss_scale_ /= 2;
    if (good_steps_ == kStepsUntilGrowth) {
      loss_scale_ *= 2;
      good_steps_ = 0;
    }
  }
  return norm;
}

void AdapterTrainer::save_state(const std::filesystem::path& file) const {
  std::map<std::string, at::Tensor> tensors;
  for (const AdapterParameter& parameter : set_.parameters()) {
    tensors[kParameterPrefix + parameter.name] = parameter.value;
  }
  for (const auto& [name, value] : optimizer_->state()) tensors[kOptimizerPrefix + name] = value;
  if (scales_loss_) {
    tensors[kLossScale] =
        at::tensor({loss_scale_, static_cast<double>(good_steps_)}, at::dtype(at::kDouble));
  }
  write_tensors(file, tensors, {});
}

void AdapterTrainer::load_state(const std::filesystem::path& file) {
  std::map<std::string, at::Tensor> tensors = read_tensors(file);
  at::NoGradGuard no_grad;
  for (const AdapterParameter& parameter : set_.parameters()) {
    const auto found = tensors.find(kParameterPrefix + parameter.name);
    if (found == tensors.end()) fail(file.string(), ": no parameter ", parameter.name);
    if (found->second.sizes() != parameter.value.sizes()) {
      fail(file.string(), ": ", parameter.name, ": want ",
           shape_text(parameter.value.sizes().vec()), ", got ",
           shape_text(found->second.sizes().vec()));
    }
    parameter.value.copy_(found->second);
    tensors.erase(found);
  }
  if (scales_loss_) {
    const auto found = tensors.find(kLossScale);
    if (found == tensors.end() || found->second.numel() != 2 ||
        found->second.scalar_type() != at::kDouble) {
      fail(file.string(), ": no ", kLossScale, " of two doubles");
    }
    loss_scale_ = found->second[0].item<double>();
    good_steps_ = static_cast<int64_t>(found->second[1].item<double>());
    tensors.erase(found);
  }
  std::map<std::string, at::Tensor> state;
  for (const auto& [name, value] : tensors) {
    const std::string prefix = kOptimizerPrefix;
    if (!name.starts_with(prefix)) fail(file.string(), ": unknown tensor ", name);
    state[name.substr(prefix.size())] = value;
  }
  optimizer_->load_state(state);
  set_.on_parameters_changed();
}

}  // namespace dorabooth
