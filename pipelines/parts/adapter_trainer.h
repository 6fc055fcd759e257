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
  std::optional<double> text_encoder_2_lr;         // absent: text_encoder_lr
  std::vector<std::string> learning_rate_pattern;  // "GLOB=factor" over module names
  double loraplus_lr_ratio = 1.0;                  // B's learning rate over A's
  double weight_decay = 1e-4;
  double weight_decay_text_encoder = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double max_grad_norm = 1.0;  // 0: no clipping
  bool prodigy_use_bias_correction = true;
  bool prodigy_safeguard_warmup = true;
  bool use_8bit_adam = false;
  double lion_beta2 = 0.99;
  bool adafactor_scale_parameter = false;
  bool adafactor_relative_step = false;
  std::optional<double> ema_decay;  // absent: no moving average
  // For a base in fp16, whose small gradients would be flushed to zero: the loss is multiplied by a
  // power of two that adapts (Micikevicius et al. 2018; torch.amp.GradScaler's rule).
  bool scale_loss = false;
};

class AdapterTrainer {
 public:
  // Groups by component and learning rate.
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

  // While it lives, the parameters hold what a user wants of the run: the optimizer's average or
  // the moving average where there is one. Nothing trains meanwhile.
  class Averages {
   public:
    explicit Averages(AdapterTrainer& trainer) : trainer_(trainer) { trainer_.use_averages(true); }
    ~Averages() { trainer_.use_averages(false); }
    Averages(const Averages&) = delete;
    Averages& operator=(const Averages&) = delete;

   private:
    AdapterTrainer& trainer_;
  };

  // Parameters and optimizer state, for an exact resume.
  void save_state(const std::filesystem::path& file) const;
  void load_state(const std::filesystem::path& file);

 private:
  void use_averages(bool in_use);
  void update_moving_average();
  void load_moving_average(const std::filesystem::path& file,
                           std::map<std::string, at::Tensor>* tensors);

  std::string name_;
  AdapterSet set_;
  double max_grad_norm_;
  bool scales_loss_;
  double loss_scale_ = 1.0;
  int64_t good_steps_ = 0;  // since the scale changed
  std::unique_ptr<Optimizer> optimizer_;
  std::optional<double> ema_decay_;
  std::vector<at::Tensor> moving_average_;  // of every parameter
  int64_t averaged_steps_ = 0;
  std::vector<at::Tensor> training_;  // the parameters while averages are in their place
};

}  // namespace dorabooth
