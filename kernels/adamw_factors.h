// The scalars of one AdamW step, worked out in double as torch does, for the CPU and CUDA loops
// alike.
#pragma once

#include <cmath>

#include "kernels/adapter_core.h"

namespace dorabooth {

struct AdamWFactors {
  float decay;            // 1 − lr·wd
  float average_weight;   // 1 − β1
  float square_keep;      // β2
  float square_weight;    // 1 − β2
  float step_size;        // lr / (1 − β1^step)
  float root_correction;  // sqrt(1 − β2^step)
  float epsilon;
};

inline AdamWFactors adamw_factors(const AdamWArgs& args, const AdamWSegment& segment) {
  const double step = static_cast<double>(segment.step);
  AdamWFactors factors;
  factors.decay = static_cast<float>(1.0 - segment.learning_rate * segment.weight_decay);
  factors.average_weight = static_cast<float>(1.0 - args.beta1);
  factors.square_keep = static_cast<float>(args.beta2);
  factors.square_weight = static_cast<float>(1.0 - args.beta2);
  factors.step_size =
      static_cast<float>(segment.learning_rate / (1.0 - std::pow(args.beta1, step)));
  factors.root_correction = static_cast<float>(std::sqrt(1.0 - std::pow(args.beta2, step)));
  factors.epsilon = static_cast<float>(args.epsilon);
  return factors;
}

}  // namespace dorabooth
