// One adapter in training: its set, its optimizer and what they need a step. A twin run has several
// of them over one base; nothing of one reaches another.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "pipelines/parts/full_weights.h"
#include "src/adapter/set.h"
#include "src/device/process_group.h"
#include "src/model/token_embeddings.h"
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
  double max_grad_norm = 1.0;           // 0: no clipping
  std::optional<double> prodigy_beta3;  // absent: sqrt(beta2)
  bool prodigy_decouple = true;
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

// Embeddings of new tokens that train with an adapter, each trainer its own (pivotal tuning, as
// diffusers' train_dreambooth_lora_sdxl_advanced.py): leaves in fp32 in the text encoders' groups.
// After each step all rows of an encoder are multiplied by (std of its table / their std)^0.1, so
// that they keep the spread of the base's own (TokenEmbeddingsHandler.retract_embeddings).
struct LearnedTokens {
  TokenEmbeddings rows;
  const SdxlBundle* bundle = nullptr;  // outlives the trainer
};

class AdapterTrainer {
 public:
  // Groups by component and learning rate. With `full` the set has no adapters, only what its
  // specification says.
  AdapterTrainer(std::string name, AdapterSet set, const TrainerOptions& options,
                 std::optional<LearnedTokens> tokens = std::nullopt,
                 std::unique_ptr<FullWeights> full = nullptr);

  const std::string& name() const { return name_; }
  AdapterSet& set() { return set_; }
  const AdapterSet& set() const { return set_; }
  // Of the UNet's groups, before patterns, ratios and schedule.
  double learning_rate() const { return learning_rate_; }
  // Weights of the base that train themselves; null for adapters.
  const FullWeights* full() const { return full_.get(); }
  // How many modules of the base change.
  size_t module_count() const { return full_ ? full_->module_count() : set_.size(); }
  // The learned tokens' rows; empty without.
  const TokenEmbeddings& tokens() const { return tokens_; }
  // Everything that trains: the set's or the weights, then "text_encoder.token_embedding.added" and
  // that of text_encoder_2.
  std::vector<AdapterParameter> parameters() const;
  int64_t parameter_count() const;  // numbers
  // Whether something of it changes what a text encoder makes of a prompt.
  bool changes_text() const;

  // Adapters in their slots or weights in the models, rows in the text encoders, while it lives.
  struct Attached {
    AttachScope adapters;
    FullWeightScope weights;
    TokenEmbeddingScope tokens;
  };
  Attached attach();
  // The dropout masks of micro-step `number`; settled text encoders drop nothing.
  void set_training(bool training, uint64_t number);
  // From now on whatever changes the text stays as it is, at its averages where there are some. The
  // caller sees to it that no gradient reaches it any more. Doing it again changes nothing.
  void settle_text();

  // Adds the gradient of weight·loss.
  void accumulate(const at::Tensor& loss, double weight);
  // Between processes, after the last accumulate() of a step: starts to add up their gradients and
  // up to four numbers of the caller, in one buffer.
  void begin_sum(ProcessGroup& group, const std::vector<double>& numbers);
  // Waits for it; the sums of the numbers. Then comes step().
  std::vector<double> end_sum();
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

  // How far the base has moved, by block of the model; `layers` are those of the set.
  std::map<std::string, BlockDrift> drift(const LinearLayers& layers);
  // Of all that trains and of the optimizer's state: equal for equal bytes.
  std::string digest() const;
  // Parameters and optimizer state, for an exact resume.
  void save_state(const std::filesystem::path& file) const;
  void load_state(const std::filesystem::path& file);

 private:
  void use_averages(bool in_use);
  void rescale_tokens();
  void update_moving_average();
  void load_moving_average(const std::filesystem::path& file,
                           std::map<std::string, at::Tensor>* tensors);

  std::string name_;
  AdapterSet set_;
  std::unique_ptr<FullWeights> full_;
  TokenEmbeddings tokens_;
  const SdxlBundle* bundle_ = nullptr;  // of the tokens
  double table_std_[2] = {0.0, 0.0};    // of text_encoder's and text_encoder_2's own embeddings
  bool text_settled_ = false;
  double learning_rate_;
  double max_grad_norm_;
  bool scales_loss_;
  double loss_scale_ = 1.0;
  int64_t good_steps_ = 0;  // since the scale changed
  std::unique_ptr<Optimizer> optimizer_;
  ProcessGroup::Sum sum_;  // of the gradients, under way
  size_t summed_numbers_ = 0;
  std::optional<double> ema_decay_;
  std::vector<at::Tensor> moving_average_;  // of every parameter
  int64_t averaged_steps_ = 0;
  std::vector<at::Tensor> training_;  // the parameters while averages are in their place
};

}  // namespace dorabooth
