// The optimizer interface. An optimizer owns the flat storage of its parameters; a step uses the
// gradients that backward passes accumulated since zero_grad(). A parameter without a gradient is
// skipped entirely, weight decay included, as in torch.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/optimizer/flat_parameters.h"

namespace dorabooth {

class Optimizer {
 public:
  explicit Optimizer(std::vector<ParameterGroup> groups);
  virtual ~Optimizer() = default;

  const std::vector<ParameterGroup>& groups() const { return groups_; }

  void zero_grad();
  // The 2-norm of all gradients together.
  double grad_norm();
  // Scales the gradients by min(1, max_norm / (norm + 1e-6)), like torch's clip_grad_norm_; the
  // norm before is returned.
  double clip(double max_norm);
  // Multiplies the gradients: the average over processes or micro-batches.
  void scale_gradients(float factor);
  // One update with every group's learning rate times `learning_rate_factor`. The caller tells the
  // adapters that their parameters changed.
  void step(double learning_rate_factor = 1.0);

  // Everything but the parameters themselves: a run that loads it goes on as if never stopped.
  std::map<std::string, at::Tensor> state() const;
  // Throws, naming what differs, unless the state is of the same parameters.
  void load_state(const std::map<std::string, at::Tensor>& state);

  // Prodigy's estimate of the learning rate; absent elsewhere.
  virtual std::optional<double> adaptation() const { return std::nullopt; }

 protected:
  virtual void update(double learning_rate_factor) = 0;
  // The flat buffers and tables that make up the state, by name; load_state() copies into them.
  virtual std::map<std::string, at::Tensor> buffers() const = 0;

  const std::vector<ParameterGroup> groups_;
  FlatParameters flat_;

 private:
  at::Tensor norm_of_gradients();

  at::Tensor norm_workspace_;
};

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
};

struct ProdigyOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  std::optional<double> beta3;  // sqrt(beta2) if absent
  double epsilon = 1e-8;
  bool decouple = true;
  bool use_bias_correction = false;
  bool safeguard_warmup = false;
  double d0 = 1e-6;
  double d_coef = 1.0;
  std::optional<double> growth_rate;  // no limit if absent
};

std::unique_ptr<Optimizer> make_adamw(std::vector<ParameterGroup> groups,
                                      const AdamWOptions& options);
std::unique_ptr<Optimizer> make_prodigy(std::vector<ParameterGroup> groups,
                                        const ProdigyOptions& options);

}  // namespace dorabooth
