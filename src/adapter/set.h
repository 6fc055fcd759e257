// A named set of adapters over the linear layers of a model: create, attach for a scope, save,
// load. Sets are swapped by scope, so that one base serves base, LoRA and DoRA.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/adapter_core.h"
#include "src/adapter/spec.h"
#include "src/nn/linear.h"

namespace dorabooth {

// The adaptable layers of a base, by full name: "unet.down_blocks.1.….attn1.to_q",
// "text_encoder.text_model.encoder.layers.0.self_attn.q_proj", "text_encoder_2.….".
using LinearLayers = std::vector<std::pair<std::string, nn::Linear*>>;

// What a strength other than 1 means (FORMATS: PEFT scales the update inside direction and norm;
// the UIs interpolate between base and merged weight).
enum class StrengthRule { kPeft, kLerp };
StrengthRule parse_strength_rule(const std::string& name);  // "peft" or "lerp"

// One adapter's tensors by role: "A" [r, in], "B" [out, r], "m" ([out], or [in] for the input
// axis). r = 0 where the magnitude alone is trained.
struct AdapterTensors {
  at::Tensor a;
  at::Tensor b;
  at::Tensor m;        // undefined for LoRA and VeRA
  double alpha = 0.0;  // scale = alpha / rank (rank = a.size(0)), or alpha / sqrt(rank) with rsLoRA
  // VeRA's and DVoRA's trained "d" [r] and "b" [out]; A and B are then slices of the matrices that
  // all modules share. Undefined for the others.
  at::Tensor vera_d = {};
  at::Tensor vera_b = {};
};

// Which rows of a whole batch the rows of a part are: the next `count` ones are rows `first`, … of
// the rows that share a draw of the step.
struct RowSpan {
  int64_t first = 0;
  int64_t count = 0;
  uint32_t index = 0;  // of the draw
};

// An adapter of this library in a slot: what every kind offers beyond LinearAdapter.
class Adapter : public nn::LinearAdapter {
 public:
  virtual void set_strength(double strength, StrengthRule rule) = 0;
  // The dropout mask of the next forward is draw (step, index) of this adapter's stream; only in
  // training mode does dropout act.
  virtual void set_training(bool training, uint64_t step, uint32_t index) = 0;
  // The rows (first axis) of further inputs are these of the whole batch, whose mask draw (step,
  // RowSpan::index) is; empty: all of it, by set_training()'s index. Where a batch is divided
  // between processes, each drops what one would.
  virtual void set_rows(const std::vector<RowSpan>& rows) = 0;
  virtual double alpha() const = 0;
  virtual AdapterTensors tensors() const = 0;
};

// Takes the adapters out of their slots again when it ends.
class AttachScope {
 public:
  AttachScope() = default;
  explicit AttachScope(std::vector<std::pair<nn::Linear*, Adapter*>> attached);
  AttachScope(AttachScope&& other) noexcept;
  AttachScope& operator=(AttachScope&& other) noexcept;
  ~AttachScope();

 private:
  void release();
  std::vector<std::pair<nn::Linear*, Adapter*>> attached_;
};

struct AdapterParameter {
  std::string name;    // "unet.….to_q.A"
  std::string module;  // "unet.….to_q"
  at::Tensor value;    // requires grad
};

class AdapterSet {
 public:
  // Fresh adapters on every target; A drawn from stream "init/<module>" of the seed. `core`
  // outlives it.
  static AdapterSet create(const AdapterSpec& spec, const LinearLayers& layers, uint64_t seed,
                           const AdapterCore& core);
  // Adapters with given numbers; `tensors` by module name, every module must exist in `layers`.
  static AdapterSet from_tensors(const AdapterSpec& spec, const LinearLayers& layers,
                                 const std::map<std::string, AdapterTensors>& tensors,
                                 const AdapterCore& core);

  const AdapterSpec& spec() const { return spec_; }
  size_t size() const { return entries_.size(); }
  AttachScope attach();
  // In layer order, within a module A, B (VeRA: d, b), m; no A and B where the rank is 0.
  std::vector<AdapterParameter> parameters() const;
  std::map<std::string, AdapterTensors> tensors() const;
  const Adapter* find(const std::string& module) const;
  Adapter* find(const std::string& module);

  void on_parameters_changed();
  void set_strength(double strength, StrengthRule rule);
  void set_training(bool training, uint64_t step, uint32_t index);
  void set_rows(const std::vector<RowSpan>& rows);

 private:
  struct Entry {
    std::string module;
    nn::Linear* layer;
    std::unique_ptr<Adapter> adapter;
  };
  AdapterSpec spec_;
  std::vector<Entry> entries_;
};

}  // namespace dorabooth
