// One set of weights under several copies of a model, one a thread: each copy computes the gradient
// of its rows with one thread, which on few cores is faster than one copy with all of them (small
// layers leave threads waiting for each other). fp32 master weights, an optimizer and an
// exponential moving average lie beside. Internal to pipelines/pretrain.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "src/nn/layer.h"
#include "src/optimizer/optimizer.h"

namespace dorabooth {

// The models of one copy by the names of their components: {"unet", …}, {"text_encoder", …}.
using ModelSet = std::vector<std::pair<std::string, std::shared_ptr<torch::nn::Module>>>;

struct ReplicaOptions {
  at::ScalarType dtype = at::kFloat;     // of what the copies compute with
  std::vector<std::string> frozen = {};  // globs of full names that do not train
  double learning_rate = 1e-3;
  double weight_decay = 1e-2;  // of matrices and convolutions
  AdamWOptions adamw;
  double ema_decay = 0.999;  // warmed up: min(decay, (1 + steps) / (10 + steps))
};

class WeightReplicas {
 public:
  // All copies have the same parameters; the values are the first one's, fp32.
  WeightReplicas(std::vector<ModelSet> replicas, const ReplicaOptions& options);

  size_t count() const { return replicas_.size(); }
  const ModelSet& replica(size_t i) const { return replicas_[i]; }
  int64_t trainable_numbers() const;

  // `backward(i)` runs replica i's forward and backward pass; all at once, each on a thread of its
  // own that computes alone. Gradients add up: a copy's loss carries its share of the rows.
  void accumulate(const std::function<void(size_t)>& backward);
  // Clips to `max_norm` (0: never) and updates weights and average; the gradients' norm.
  double step(double learning_rate_factor, double max_norm);

  // By full names, in the models' own layout, fp32: the average or the trained weights, with those
  // that do not train.
  std::map<std::string, at::Tensor> weights(bool average) const;
  // The copies compute with these until resume_training().
  void use_average();
  void resume_training();

  // Everything that a continued run needs.
  std::map<std::string, at::Tensor> state() const;
  void load_state(const std::map<std::string, at::Tensor>& state);

 private:
  struct Trained {
    std::string name;
    at::Tensor master;                    // fp32; a convolution's as [out, h, w, in]
    at::Tensor average;                   // the same
    at::Tensor shadow;                    // in the copies' dtype, where that is not fp32
    std::vector<nn::LayerParameter> use;  // one a copy
    std::vector<at::Tensor> leaves;       // one a copy
  };

  void bind();
  void refresh(Trained& trained, double decay);

  std::vector<ModelSet> replicas_;
  ReplicaOptions options_;
  std::vector<Trained> trained_;
  std::map<std::string, at::Tensor> frozen_;
  std::unique_ptr<Optimizer> optimizer_;
  int64_t steps_ = 0;
};

}  // namespace dorabooth
