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
  // For replicas of a model instead of a backward pass: parameter number `index`, counted over the
  // groups, gets the sum of `parts`. Different ones may be given from different threads.
  void receive_gradient(size_t index, const std::vector<at::Tensor>& parts) {
    flat_.receive(index, parts);
  }
  // The 2-norm of all gradients together.
  double grad_norm();
  // Scales the gradients by min(1, max_norm / (norm + 1e-6)), like torch's clip_grad_norm_; the
  // norm before is returned.
  double clip(double max_norm);
  // Multiplies the gradients: the average over processes or micro-batches.
  void scale_gradients(float factor);
  // For a run of several processes: the buffer that they add up, in place and once a step
  // (FlatParameters::pack), and what to do when that is done.
  const at::Tensor& pack_gradients(const std::vector<double>& further) {
    return flat_.pack(further);
  }
  std::vector<double> unpack_gradients(size_t further_count) { return flat_.unpack(further_count); }
  // One update with every group's learning rate times `learning_rate_factor`. The caller tells the
  // adapters that their parameters changed.
  void step(double learning_rate_factor = 1.0);
  // Multiplies a parameter by a scalar tensor between two steps, with every sequence of the
  // optimizer that moves with it; estimates made of gradients stay.
  void rescale(const at::Tensor& parameter, const at::Tensor& factor);
  // Leaves a parameter at what a user wants of it from now on, before it stops receiving gradients:
  // nothing but where there are averages.
  void settle(const at::Tensor& parameter);

  // Everything but the parameters themselves: a run that loads it goes on as if never stopped.
  std::map<std::string, at::Tensor> state() const;
  // Throws, naming what differs, unless the state is of the same parameters.
  void load_state(const std::map<std::string, at::Tensor>& state);

  // Whether the values that a user wants (exports, previews, losses for comparison) are others than
  // those that train: schedule-free's average.
  virtual bool averages() const { return false; }
  // Puts that average into the parameters, or takes it out again; no step comes in between.
  virtual void use_average(bool /*in_use*/) {}

  // Prodigy's estimate of the learning rate; absent elsewhere.
  virtual std::optional<double> adaptation() const { return std::nullopt; }

 protected:
  // Neighbours in the flat buffers that have a gradient and share a group; gaps within hold zeros.
  struct Range {
    int64_t begin = 0;
    int64_t end = 0;
    size_t group = 0;
    at::Tensor of(const at::Tensor& buffer) const;
  };
  std::vector<Range> ranges() const;

  virtual void update(double learning_rate_factor) = 0;
  virtual void on_rescaled(const FlatParameters::Slot& /*slot*/, const at::Tensor& /*factor*/) {}
  virtual void on_settled(const FlatParameters::Slot& /*slot*/) {}
  // The flat buffers and tables that make up the state, by name; load_state() copies into them.
  virtual std::map<std::string, at::Tensor> buffers() const = 0;

  const std::vector<ParameterGroup> groups_;
  FlatParameters flat_;

 private:
  const FlatParameters::Slot& slot_of(const at::Tensor& parameter) const;
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

struct LionOptions {
  double beta1 = 0.9;
  double beta2 = 0.99;
};

struct ScheduleFreeOptions {
  double beta1 = 0.9;  // how far gradients are taken from the average towards the fast sequence
  double beta2 = 0.999;
  double epsilon = 1e-8;
};

struct AdafactorOptions {
  bool scale_parameter = false;  // steps in units of the parameter's root mean square
  bool relative_step = false;    // step size min(1e-2, 1/sqrt(step)) instead of the learning rate
  double clip_threshold = 1.0;   // of an update's root mean square
  double decay_rate = -0.8;      // second moment's decay at step t: 1 − t^decay_rate
  double epsilon_gradient = 1e-30;
  double epsilon_parameter = 1e-3;
};

std::unique_ptr<Optimizer> make_adamw(std::vector<ParameterGroup> groups,
                                      const AdamWOptions& options);
// Moments in 8 bits a value, block-wise (Dettmers et al. 2022); small parameters keep fp32.
std::unique_ptr<Optimizer> make_adamw_8bit(std::vector<ParameterGroup> groups,
                                           const AdamWOptions& options);
std::unique_ptr<Optimizer> make_lion(std::vector<ParameterGroup> groups,
                                     const LionOptions& options);
std::unique_ptr<Optimizer> make_schedule_free_adamw(std::vector<ParameterGroup> groups,
                                                    const ScheduleFreeOptions& options);
std::unique_ptr<Optimizer> make_adafactor(std::vector<ParameterGroup> groups,
                                          const AdafactorOptions& options);
std::unique_ptr<Optimizer> make_prodigy(std::vector<ParameterGroup> groups,
                                        const ProdigyOptions& options);

}  // namespace dorabooth
