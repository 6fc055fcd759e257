// Parameter groups by component, and the training state as one file of named tensors.
#include "pipelines/parts/adapter_trainer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "pipelines/parts/tensor_store.h"
#include "src/base/error.h"
#include "src/base/hash.h"

namespace dorabooth {

namespace {

constexpr const char* kParameterPrefix = "parameter/";
constexpr const char* kOptimizerPrefix = "optimizer/";
constexpr const char* kAveragePrefix = "average/";
constexpr const char* kAveragedSteps = "averaged_steps";
constexpr const char* kLossScale = "loss_scale";

// torch.amp.GradScaler's defaults.
constexpr double kFirstLossScale = 65536.0;
constexpr int64_t kStepsUntilGrowth = 2000;

constexpr double kSpreadPower = 0.1;
constexpr double kSmallestSpread = 1e-30;  // of rows that are all alike, which stay so

bool is_of_text(const AdapterParameter& parameter) {
  return parameter.module.starts_with("text_encoder");
}

// Copies that are leaves.
TokenEmbeddings trainable(const TokenEmbeddings& rows) {
  const auto leaf = [](const at::Tensor& tensor) {
    return tensor.detach().to(at::kFloat, /*non_blocking=*/false, /*copy=*/true).requires_grad_();
  };
  return {leaf(rows.clip_l), leaf(rows.clip_g)};
}

double rate_of(const std::string& component, const TrainerOptions& options) {
  if (component == "unet") return options.learning_rate;
  const bool second = component == "text_encoder_2";
  return second ? options.text_encoder_2_lr.value_or(options.text_encoder_lr)
                : options.text_encoder_lr;
}

// One group a component, and further ones where a pattern or LoRA+ gives another rate.
std::vector<ParameterGroup> groups_of(const std::vector<AdapterParameter>& parameters,
                                      const TrainerOptions& options) {
  std::map<std::pair<std::string, double>, ParameterGroup> groups;
  for (const AdapterParameter& parameter : parameters) {
    const std::string component = parameter.module.substr(0, parameter.module.find('.'));
    double factor = pattern_value(options.learning_rate_pattern, parameter.module, 1.0,
                                  "learning_rate_pattern");
    if (parameter.name.ends_with(".B")) factor *= options.loraplus_lr_ratio;
    ParameterGroup& group = groups[{component, factor}];
    group.name = factor == 1.0 ? component : concat(component, " at ", factor);
    group.learning_rate = rate_of(component, options) * factor;
    group.weight_decay =
        component == "unet" ? options.weight_decay : options.weight_decay_text_encoder;
    group.parameters.emplace_back(parameter.name, parameter.value);
  }
  std::vector<ParameterGroup> result;
  for (auto& [key, group] : groups) result.push_back(std::move(group));
  // The UNet first, as parameters lie in files of older runs.
  std::stable_sort(result.begin(), result.end(), [](const auto& a, const auto& b) {
    return a.name.starts_with("unet") && !b.name.starts_with("unet");
  });
  return result;
}

std::unique_ptr<Optimizer> make_optimizer(const std::vector<AdapterParameter>& parameters,
                                          const TrainerOptions& options) {
  std::vector<ParameterGroup> groups = groups_of(parameters, options);
  if (options.optimizer == "adamw") {
    const AdamWOptions adamw{options.beta1, options.beta2, options.epsilon};
    return options.use_8bit_adam ? make_adamw_8bit(std::move(groups), adamw)
                                 : make_adamw(std::move(groups), adamw);
  }
  if (options.optimizer == "lion") {
    return make_lion(std::move(groups), {options.beta1, options.lion_beta2});
  }
  if (options.optimizer == "adamw_schedule_free") {
    return make_schedule_free_adamw(std::move(groups),
                                    {options.beta1, options.beta2, options.epsilon});
  }
  if (options.optimizer == "adafactor") {
    AdafactorOptions adafactor;
    adafactor.scale_parameter = options.adafactor_scale_parameter;
    adafactor.relative_step = options.adafactor_relative_step;
    return make_adafactor(std::move(groups), adafactor);
  }
  if (options.optimizer == "prodigy") {
    ProdigyOptions prodigy;
    prodigy.beta1 = options.beta1;
    prodigy.beta2 = options.beta2;
    prodigy.beta3 = options.prodigy_beta3;
    prodigy.epsilon = options.epsilon;
    prodigy.decouple = options.prodigy_decouple;
    prodigy.use_bias_correction = options.prodigy_use_bias_correction;
    prodigy.safeguard_warmup = options.prodigy_safeguard_warmup;
    return make_prodigy(std::move(groups), prodigy);
  }
  fail("unknown optimizer '", options.optimizer, "'");
}

}  // namespace

AdapterTrainer::AdapterTrainer(std::string name, AdapterSet set, const TrainerOptions& options,
                               std::optional<LearnedTokens> tokens,
                               std::unique_ptr<FullWeights> full)
    : name_(std::move(name)),
      set_(std::move(set)),
      full_(std::move(full)),
      tokens_(tokens ? trainable(tokens->rows) : TokenEmbeddings()),
      bundle_(tokens ? tokens->bundle : nullptr),
      learning_rate_(options.learning_rate),
      max_grad_norm_(options.max_grad_norm),
      scales_loss_(options.scale_loss),
      loss_scale_(options.scale_loss ? kFirstLossScale : 1.0),
      optimizer_(make_optimizer(parameters(), options)),
      ema_decay_(options.ema_decay) {
  if (ema_decay_) {
    for (const AdapterParameter& parameter : parameters()) {
      moving_average_.push_back(parameter.value.detach().clone());
    }
  }
  if (bundle_) {
    table_std_[0] = token_table_std(*bundle_->text_encoder);
    table_std_[1] = token_table_std(*bundle_->text_encoder_2);
  }
  set_.on_parameters_changed();
}

std::vector<AdapterParameter> AdapterTrainer::parameters() const {
  std::vector<AdapterParameter> all = full_ ? full_->parameters() : set_.parameters();
  if (tokens_.count() == 0) return all;
  for (const auto& [encoder, rows] :
       {std::pair("text_encoder", tokens_.clip_l), std::pair("text_encoder_2", tokens_.clip_g)}) {
    const std::string module = concat(encoder, ".token_embedding");
    all.push_back({module + ".added", module, rows});
  }
  return all;
}

int64_t AdapterTrainer::parameter_count() const {
  int64_t count = 0;
  for (const AdapterParameter& parameter : parameters()) count += parameter.value.numel();
  return count;
}

bool AdapterTrainer::changes_text() const {
  const std::vector<AdapterParameter> all = parameters();
  return std::any_of(all.begin(), all.end(), is_of_text);
}

AdapterTrainer::Attached AdapterTrainer::attach() {
  return {set_.attach(), full_ ? full_->attach() : FullWeightScope(),
          bundle_ ? tokens_.attach(*bundle_) : TokenEmbeddingScope()};
}

void AdapterTrainer::set_training(bool training, uint64_t number) {
  set_.set_training(training, number, 0);
  if (!text_settled_) return;
  for (const AdapterParameter& parameter : set_.parameters()) {
    if (is_of_text(parameter)) set_.find(parameter.module)->set_training(false, number, 0);
  }
}

void AdapterTrainer::settle_text() {
  at::NoGradGuard no_grad;
  const std::vector<AdapterParameter> all = parameters();
  for (size_t i = 0; i < all.size(); ++i) {
    if (!is_of_text(all[i])) continue;
    if (ema_decay_) {
      all[i].value.detach().copy_(moving_average_[i]);
    } else {
      optimizer_->settle(all[i].value);
    }
  }
  text_settled_ = true;
  set_.on_parameters_changed();
}

// One factor for all rows of an encoder, on the device: the step does not wait for it.
void AdapterTrainer::rescale_tokens() {
  if (tokens_.count() == 0 || text_settled_) return;
  const at::NoGradGuard no_grad;
  const at::Tensor rows[] = {tokens_.clip_l, tokens_.clip_g};
  for (size_t i = 0; i < 2; ++i) {
    const at::Tensor spread = rows[i].detach().std().clamp_min(kSmallestSpread);
    optimizer_->rescale(rows[i], at::pow(table_std_[i] / spread, kSpreadPower));
  }
}

void AdapterTrainer::accumulate(const at::Tensor& loss, double weight) {
  const double factor = weight * loss_scale_;
  (factor == 1.0 ? loss : loss * factor).backward();
}

void AdapterTrainer::begin_sum(ProcessGroup& group, const std::vector<double>& numbers) {
  summed_numbers_ = numbers.size();
  sum_ = group.begin_sum(optimizer_->pack_gradients(numbers));
}

std::vector<double> AdapterTrainer::end_sum() {
  sum_.wait();
  return optimizer_->unpack_gradients(summed_numbers_);
}

double AdapterTrainer::step(double lr_factor) {
  if (scales_loss_) optimizer_->scale_gradients(static_cast<float>(1.0 / loss_scale_));
  const double norm =
      max_grad_norm_ > 0 ? optimizer_->clip(max_grad_norm_) : optimizer_->grad_norm();
  const bool usable = std::isfinite(norm);
  if (usable) {
    optimizer_->step(lr_factor);
    rescale_tokens();
    if (ema_decay_) update_moving_average();
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

// diffusers' EMAModel: the decay grows with the steps, or the start would weigh for ever.
void AdapterTrainer::update_moving_average() {
  at::NoGradGuard no_grad;
  const auto step = static_cast<double>(averaged_steps_++);
  const double decay = std::min(*ema_decay_, (1 + step) / (10 + step));
  const auto all = parameters();
  for (size_t i = 0; i < all.size(); ++i) {
    moving_average_[i].lerp_(all[i].value.detach(), 1 - decay);
  }
}

void AdapterTrainer::use_averages(bool in_use) {
  at::NoGradGuard no_grad;
  if (optimizer_->averages()) {
    optimizer_->use_average(in_use);
  } else if (ema_decay_) {
    const auto all = parameters();
    if (in_use) {
      for (const AdapterParameter& parameter : all) {
        training_.push_back(parameter.value.detach().clone());
      }
    }
    const std::vector<at::Tensor>& values = in_use ? moving_average_ : training_;
    for (size_t i = 0; i < all.size(); ++i) all[i].value.detach().copy_(values[i]);
    if (!in_use) training_.clear();
  } else {
    return;
  }
  set_.on_parameters_changed();
}

std::string AdapterTrainer::digest() const {
  Sha256 hash;
  const auto add = [&](const std::string& name, const at::Tensor& value) {
    const at::Tensor bytes = value.detach().to(at::kCPU).contiguous();
    hash.update(concat(name, " ", bytes.nbytes(), " "));
    hash.update(bytes.const_data_ptr(), bytes.nbytes());
  };
  for (const AdapterParameter& parameter : parameters()) add(parameter.name, parameter.value);
  for (const auto& [name, value] : optimizer_->state()) add(name, value);
  return hash.hex();
}

std::map<std::string, BlockDrift> AdapterTrainer::drift(const LinearLayers& layers) {
  return full_ ? full_->drift() : measure_drift(set_, layers);
}

void AdapterTrainer::save_state(const std::filesystem::path& file) const {
  std::map<std::string, at::Tensor> tensors;
  for (const AdapterParameter& parameter : parameters()) {
    tensors[kParameterPrefix + parameter.name] = parameter.value;
  }
  for (const auto& [name, value] : optimizer_->state()) tensors[kOptimizerPrefix + name] = value;
  if (ema_decay_) {
    const auto all = parameters();
    for (size_t i = 0; i < all.size(); ++i) {
      tensors[kAveragePrefix + all[i].name] = moving_average_[i];
    }
    tensors[kAveragedSteps] = at::tensor({averaged_steps_}, at::dtype(at::kLong));
  }
  if (scales_loss_) {
    tensors[kLossScale] =
        at::tensor({loss_scale_, static_cast<double>(good_steps_)}, at::dtype(at::kDouble));
  }
  write_tensors(file, tensors, {});
}

// Takes its tensors out of the map.
void AdapterTrainer::load_moving_average(const std::filesystem::path& file,
                                         std::map<std::string, at::Tensor>* tensors) {
  const auto take = [&](const std::string& name) {
    const auto node = tensors->extract(name);
    if (node.empty()) fail(file.string(), ": no ", name);
    return node.mapped();
  };
  const auto all = parameters();
  for (size_t i = 0; i < all.size(); ++i) {
    const at::Tensor value = take(kAveragePrefix + all[i].name);
    if (value.sizes() != all[i].value.sizes()) {
      fail(file.string(), ": the average of ", all[i].name, " has another shape");
    }
    moving_average_[i].copy_(value);
  }
  averaged_steps_ = take(kAveragedSteps).item<int64_t>();
}

void AdapterTrainer::load_state(const std::filesystem::path& file) {
  std::map<std::string, at::Tensor> tensors = read_tensors(file);
  at::NoGradGuard no_grad;
  for (const AdapterParameter& parameter : parameters()) {
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
  if (ema_decay_) load_moving_average(file, &tensors);
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
