// NF4 (Dettmers et al. 2023, QLoRA): 16 values, quantiles of a normal distribution scaled to
// [-1, 1], as bitsandbytes has them.
#pragma once

#include "kernels/element.h"

namespace dorabooth {

inline constexpr int kNf4Values = 16;

struct Nf4Values {
  float at[kNf4Values];
};

DORABOOTH_HOST_DEVICE constexpr Nf4Values nf4_values() {
  return {{-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f,
           -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0.0f,
           0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
           0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f}};
}

// The index of the value nearest to x in [-1, 1]: how many midpoints between values lie below it.
DORABOOTH_HOST_DEVICE inline uint32_t nf4_index(float x) {
  constexpr Nf4Values kValues = nf4_values();
  uint32_t index = 0;
  for (int i = 0; i + 1 < kNf4Values; ++i) {
    index += x > (kValues.at[i] + kValues.at[i + 1]) / 2 ? 1u : 0u;
  }
  return index;
}

}  // namespace dorabooth
