// One adapter in training: its set, its optimizer and what they need a step. A twin run has several
// of them over one base; nothing of one reaches another.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "src/adapter/set.h"
#include "src/optimizer/optimizer.h"

namespace dorabooth {

struct TrainerOptions {
  std::string optimizer = "adamw";
  double learning_rate = 1e-4;
  double text_encoder_lr = 5e-6;
  double weight_decay = 1e-4;
  double weight_decay_text_encoder = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double max_grad_norm = 1.0;  // 0: no clipping
  bool prodigy_use_bias_correction = true;
  bool prodigy_safeguard_warmup = true;
  // For a base in fp16, whose small gradients would be flushed to zero: the loss is multiplied by a
  // power of two that adapts (Micikevicius et al. 2018; torch.amp.GradScaler's rule).
  bool scale_loss = false;
};

class AdapterTrainer {
 public:
  // Groups: the UNet's parameters, text_encoder's, text_encoder_2's (the last two at
  // text_encoder_lr).
  AdapterTrainer(std::string name, AdapterSet set, const TrainerOptions& options);

  const std::string& name() const { return name_; }
  AdapterSet& set() { return set_; }
  const AdapterSet& set() const { return set_; }

  // Adds the gradient of weight·loss.
  void accumulate(const at::Tensor& loss, double weight);
  // Clips, steps with every group's rate times lr_factor, zeroes the gradients; the norm before
  // clipping. If that is not finite nothing is updated, and a scaled loss is halved from now on.
  double step(double lr_factor);
  double loss_scale() const { return loss_scale_; }
  // Prodigy's estimate of the learning rate.
  std::optional<double> adaptation() const { return optimizer_->adaptation(); }

  // Parameters and optimizer state, for an exact resume.
  void save_state(const std::filesystem::path& file) const;
  void load_state(const std::filesystem::path& file);

 private:
  std::string name_;
  AdapterSet set_;
  double max_grad_norm_;
  bool scales_loss_;
  double loss_scale_ = 1.0;
  int64_t good_steps_ = 0;  // since the scale changed
  std::unique_ptr<Optimizer> optimizer_;
};

}  // namespace dorabooth
