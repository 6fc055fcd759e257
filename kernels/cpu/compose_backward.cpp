// CPU twin of the compose step's backward: dy∘g and dm in one pass over the data.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cpu/vector.h"
#include "kernels/element.h"

namespace dorabooth::cpu {

namespace {

template <typename T>
__attribute__((always_inline)) inline void backward_row_of(const T* dy, const T* value,
                                                           const float* bias, const float* gain,
                                                           T* dyg, float* sums, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const float d = widen(dy[i]);
    sums[i] += d * (widen(value[i]) - bias[i]);
    narrow(d * gain[i], dyg[i]);
  }
}

// The usual case in one loop without conversion buffers: dy, value and dyg of one type, all wanted.
DORABOOTH_CLONES void backward_row(const float* dy, const float* value, const float* bias,
                                   const float* gain, float* dyg, float* sums, int64_t n) {
  backward_row_of(dy, value, bias, gain, dyg, sums, n);
}

DORABOOTH_CLONES void backward_row(const BFloat16* dy, const BFloat16* value, const float* bias,
                                   const float* gain, BFloat16* dyg, float* sums, int64_t n) {
  backward_row_of(dy, value, bias, gain, dyg, sums, n);
}

DORABOOTH_CLONES void multiply(const float* dy, const float* gain, float* dyg, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) dyg[i] = dy[i] * gain[i];
}

DORABOOTH_CLONES void accumulate(const float* dy, const float* value, const float* bias,
                                 float* sums, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) sums[i] += dy[i] * (value[i] - bias[i]);
}

template <typename T>
void backward_rows(const ComposeBackwardArgs& args, const float* bias, int64_t first, int64_t last,
                   int64_t c, int64_t n, float* sums) {
  for (int64_t t = first; t < last; ++t) {
    const int64_t at = t * args.out + c;
    backward_row(static_cast<const T*>(args.dy) + at, static_cast<const T*>(args.value) + at,
                 bias + c, args.gain + c, static_cast<T*>(args.dyg) + at, sums, n);
  }
}

// Any mixture of types, and one of the two results alone (sums null: no dm).
void backward_rows_apart(const ComposeBackwardArgs& args, const float* bias, int64_t first,
                         int64_t last, int64_t c, int64_t n, float* sums) {
  float dy_buffer[kChunk];
  float value_buffer[kChunk];
  float out_buffer[kChunk];
  for (int64_t t = first; t < last; ++t) {
    const int64_t at = t * args.out + c;
    const float* dy = load(args.type, args.dy, at, n, dy_buffer);
    if (sums != nullptr) {
      accumulate(dy, load(args.value_type, args.value, at, n, value_buffer), bias + c, sums, n);
    }
    if (args.dyg != nullptr && args.gain != nullptr) {
      const bool is_float = args.type == ElementType::kFloat32;
      float* dyg = is_float ? static_cast<float*>(args.dyg) + at : out_buffer;
      multiply(dy, args.gain + c, dyg, n);
      store(args.type, dyg, args.dyg, at, n);
    }
  }
}

// Tokens [chunk · kComposeTokensPerChunk, …) of columns [c, c + n), n ≤ kChunk.
void backward_tile(const ComposeBackwardArgs& args, const float* bias, int64_t chunk, int64_t c,
                   int64_t n) {
  float sums[kChunk];
  std::fill_n(sums, n, 0.0f);
  const bool wants_dm = args.dm != nullptr && args.value != nullptr;
  const bool wants_dyg = args.dyg != nullptr && args.gain != nullptr;
  const int64_t first = chunk * kComposeTokensPerChunk;
  const int64_t last = std::min(args.tokens, first + kComposeTokensPerChunk);
  const bool one_loop = wants_dm && wants_dyg && args.value_type == args.type;
  if (one_loop && args.type == ElementType::kFloat32) {
    backward_rows<float>(args, bias, first, last, c, n, sums);
  } else if (one_loop && args.type == ElementType::kBFloat16) {
    backward_rows<BFloat16>(args, bias, first, last, c, n, sums);
  } else {
    backward_rows_apart(args, bias, first, last, c, n, wants_dm ? sums : nullptr);
  }
  if (!wants_dm) return;
  double* partial = args.workspace + chunk * args.out + c;
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) partial[i] = static_cast<double>(sums[i]);
}

}  // namespace

void compose_backward(const ComposeBackwardArgs& args) {
  constexpr int64_t kColumns = 512;
  const std::vector<float> bias = row_of_floats(args.bias, args.bias_type, args.out, 0.0f);
  const int64_t chunks = (args.tokens + kComposeTokensPerChunk - 1) / kComposeTokensPerChunk;
  const int64_t blocks = (args.out + kColumns - 1) / kColumns;
  parallel_for(args.on, chunks * blocks, 1, [&](int64_t first, int64_t last) {
    for (int64_t task = first; task < last; ++task) {
      const int64_t c = task % blocks * kColumns;
      backward_tile(args, bias.data(), task / blocks, c, std::min(kColumns, args.out - c));
    }
  });
  const bool wants_dm = args.dm != nullptr && args.value != nullptr;
  if (!wants_dm && args.flagged == nullptr) return;
  for (int64_t o = 0; o < args.out; ++o) {
    const float norm = args.norm != nullptr ? args.norm[o] : 1.0f;
    const bool flagged = std::fabs(args.divisor[o]) <= args.bound * norm;
    if (args.flagged != nullptr) args.flagged[o] = flagged ? 1 : 0;
    if (!wants_dm) continue;
    double sum = 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) sum += args.workspace[chunk * args.out + o];
    args.dm[o] = flagged ? 0.0f : static_cast<float>(sum / static_cast<double>(args.divisor[o]));
  }
}

}  // namespace dorabooth::cpu
