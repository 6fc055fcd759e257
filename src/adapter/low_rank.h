// What LoRA and DoRA share: A and B, the scale, strength, dropout from the seeded streams.
#pragma once

#include <memory>

#include "src/adapter/set.h"
#include "src/ops/adapter_linear.h"

namespace dorabooth {

// A [r, in] and B [out, r] in fp32 on the base's device, both requiring gradients; for VeRA they
// are frozen and d and b train. With r = 0 there is nothing but the magnitude: products with empty
// matrices are zero.
class LowRankAdapter : public Adapter {
 public:
  LowRankAdapter(AdapterTensors tensors, const AdapterSpec& spec, uint64_t dropout_key,
                 const AdapterCore& core);

  std::vector<std::pair<std::string, at::Tensor>> parameters() override;
  void set_strength(double strength, StrengthRule rule) override;
  void set_training(bool training, uint64_t step, uint32_t index) override;
  void set_rows(const std::vector<RowSpan>& rows) override { rows_ = rows; }
  double alpha() const override { return tensors_.alpha; }
  AdapterTensors tensors() const override;

 protected:
  // VeRA's are diag(d)·A and diag(b)·B, differentiable in d and b.
  at::Tensor a() const;
  at::Tensor b() const;
  // alpha/r (or alpha/sqrt(r)); times the strength under PEFT's rule.
  double scale() const;
  // f of the interpolating rule; 1 under PEFT's.
  double blend() const { return rule_ == StrengthRule::kLerp ? strength_ : 1.0; }
  bool drops() const { return training_ && dropout_ > 0; }
  // x with the mask of this step applied.
  at::Tensor dropped(const at::Tensor& x) const;
  const AdapterCore& core() const { return *core_; }

  // Whether the base's output is rounded to half precision with its bias in it; in fp32 the bias
  // comes last. The bits with B = 0 are the base's.
  static bool rounds_together(const at::Tensor& x, const FrozenLayer& layer);
  // W·x, with the bias where they round together.
  static at::Tensor base_of(const at::Tensor& x, const FrozenLayer& layer);

  AdapterTensors tensors_;

 private:
  double base_scale_ = 1.0;
  double strength_ = 1.0;
  StrengthRule rule_ = StrengthRule::kPeft;
  double dropout_;
  DropoutDraw draw_;
  std::vector<RowSpan> rows_;
  bool training_ = false;
  const AdapterCore* core_;
};

// One function per kind; kinds.cpp picks by AdapterSpec::kind.
std::unique_ptr<LowRankAdapter> make_lora(AdapterTensors tensors, const AdapterSpec& spec,
                                          uint64_t dropout_key, const AdapterCore& core);
std::unique_ptr<LowRankAdapter> make_dora(AdapterTensors tensors, const AdapterSpec& spec,
                                          uint64_t dropout_key, const AdapterCore& core);

}  // namespace dorabooth
