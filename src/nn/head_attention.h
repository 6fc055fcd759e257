// Scaled dot-product attention of fp32 heads on a CPU with AVX-512: scores of a block of rows stay
// in the cache, and every product is of tiles that the registers hold (Dao et al. 2022 without the
// running maximum: a whole row of scores is at hand).
#pragma once

#include <cstdint>

namespace dorabooth::nn {

// Head h of row t of picture n begins at ((n * tokens + t) * heads + h) * size; keys and values
// likewise with `context` rows.
struct HeadShape {
  int64_t batch = 1;
  int64_t heads = 1;
  int64_t tokens = 0;   // of queries and output
  int64_t context = 0;  // of keys and values
  int64_t size = 0;     // of a head: a multiple of kHeadLanes
};

inline constexpr int64_t kHeadLanes = 16;

bool cpu_has_head_attention();

struct AttentionInputs {
  const float* q;
  const float* k;
  const float* v;
};

// y = softmax(q·kᵀ/sqrt(size))·v; `log_sums` [batch, heads, tokens] is kept for the backward pass.
void head_attention_forward(const HeadShape& shape, const AttentionInputs& inputs, float* y,
                            float* log_sums);

struct AttentionGradients {
  float* dq;
  float* dk;  // null with dv where neither is wanted
  float* dv;
};
void head_attention_backward(const HeadShape& shape, const AttentionInputs& inputs,
                             const float* log_sums, const float* dy,
                             const AttentionGradients& gradients);

}  // namespace dorabooth::nn
