// The parameters of one optimizer in one flat fp32 buffer, their gradients in a second: the
// parameters become views of it, keeping their identity, so that an update is a pass over memory.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace dorabooth {

struct ParameterGroup {
  std::string name;                                            // "unet", "text_encoder", …
  std::vector<std::pair<std::string, at::Tensor>> parameters;  // leaves that require a gradient
  double learning_rate = 1e-4;
  double weight_decay = 0;
};

class FlatParameters {
 public:
  // Where a parameter lies in the flat buffers. Begins are multiples of 4; gaps stay 0.
  struct Slot {
    std::string name;
    at::Tensor parameter;
    size_t group = 0;
    int64_t begin = 0;
    int64_t end = 0;
  };

  // Throws unless all parameters are fp32 leaves on one device, each given once.
  explicit FlatParameters(const std::vector<ParameterGroup>& groups);
  ~FlatParameters();
  FlatParameters(const FlatParameters&) = delete;
  FlatParameters& operator=(const FlatParameters&) = delete;

  const std::vector<Slot>& slots() const { return slots_; }
  const at::Tensor& values() const { return values_; }
  const at::Tensor& gradients() const { return gradients_; }
  // A flat buffer of zeros like values().
  at::Tensor zeros() const;
  // The part of a flat buffer that belongs to a slot.
  static at::Tensor part(const at::Tensor& buffer, const Slot& slot);

  // All gradients 0 and none received.
  void clear_gradients();
  // Takes in gradients that were assigned from outside instead of accumulated by a backward pass.
  void collect_gradients();
  // The gradient of a slot is the sum of `parts`, of any floating type: what replicas of a model
  // computed. Different slots may be given from different threads.
  void receive(size_t slot, const std::vector<at::Tensor>& parts);
  // Whether a gradient came since clear_gradients(); one that never came is not a zero.
  bool received(size_t slot) const { return (*received_)[slot] != 0; }

  // What the processes of one run add up, in one flat fp32 buffer: the gradients, whether each slot
  // received one, and up to kFurther numbers of the caller. The buffer's begin is gradients().
  static constexpr size_t kFurther = 4;
  const at::Tensor& pack(const std::vector<double>& further);
  // After the buffer was summed in place: a slot received a gradient if it did in any process. The
  // sums of the caller's numbers.
  std::vector<double> unpack(size_t further_count);

 private:
  std::vector<Slot> slots_;
  at::Tensor values_;
  at::Tensor packed_;                       // gradients, a number a slot, kFurther numbers
  at::Tensor gradients_;                    // its beginning
  std::vector<at::Tensor> gradient_parts_;  // of every slot
  // Shared with the hooks on the parameters, which may outlive this object.
  std::shared_ptr<std::vector<char>> received_;
  std::vector<unsigned> hooks_;
};

}  // namespace dorabooth
