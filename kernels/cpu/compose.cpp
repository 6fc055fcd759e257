// CPU twins of the compose step: y = g∘(Wx + s·B(Ax)) + b, and dy∘g with dm in one pass over the
// data.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cpu/vector.h"

namespace dorabooth::cpu {

namespace {

DORABOOTH_CLONES void add_lora(const float* base, const float* lora, const float* bias, float s,
                               float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = (base[i] + s * lora[i]) + bias[i];
}

DORABOOTH_CLONES void scale_sum(const float* base, const float* lora, const float* gain,
                                const float* bias, float s, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = gain[i] * (base[i] + s * lora[i]) + bias[i];
}

// `offset` turns `product` into W·x, `bias` is what base still lacks.
DORABOOTH_CLONES void add_correction(const float* base, const float* product, const float* offset,
                                     const float* lora, const float* gain, const float* bias,
                                     float s, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const float correction = (gain[i] - 1.0f) * (product[i] - offset[i]) + gain[i] * (s * lora[i]);
    y[i] = (base[i] + correction) + bias[i];
  }
}

DORABOOTH_CLONES void multiply(const float* dy, const float* gain, float* dyg, int64_t n) {
  for (int64_t i = 0; i < n; ++i) dyg[i] = dy[i] * gain[i];
}

DORABOOTH_CLONES void accumulate(const float* dy, const float* value, const float* bias,
                                 float* sums, int64_t n) {
  for (int64_t i = 0; i < n; ++i) sums[i] += dy[i] * (value[i] - bias[i]);
}

std::vector<float> as_floats(const void* data, ElementType type, int64_t n) {
  std::vector<float> values(static_cast<size_t>(n), 0.0f);
  if (data != nullptr) copy(type, data, 0, n, values.data());
  return values;
}

// Tokens [chunk · kComposeTokensPerChunk, …) of columns [c, c + n), n ≤ kChunk.
void backward_tile(const ComposeBackwardArgs& args, const float* bias, int64_t chunk, int64_t c,
                   int64_t n) {
  float dy_buffer[kChunk];
  float value_buffer[kChunk];
  float out_buffer[kChunk];
  float sums[kChunk];
  std::fill_n(sums, n, 0.0f);
  const bool wants_dm = args.dm != nullptr && args.value != nullptr;
  const bool wants_dyg = args.dyg != nullptr && args.gain != nullptr;
  const int64_t last = std::min(args.tokens, (chunk + 1) * kComposeTokensPerChunk);
  for (int64_t t = chunk * kComposeTokensPerChunk; t < last; ++t) {
    const int64_t at = t * args.out + c;
    const float* dy = load(args.type, args.dy, at, n, dy_buffer);
    if (wants_dm) {
      accumulate(dy, load(args.value_type, args.value, at, n, value_buffer), bias + c, sums, n);
    }
    if (wants_dyg) {
      const bool is_float = args.type == ElementType::kFloat32;
      float* dyg = is_float ? static_cast<float*>(args.dyg) + at : out_buffer;
      multiply(dy, args.gain + c, dyg, n);
      store(args.type, dyg, args.dyg, at, n);
    }
  }
  if (!wants_dm) return;
  double* partial = args.workspace + chunk * args.out + c;
  for (int64_t i = 0; i < n; ++i) partial[i] = static_cast<double>(sums[i]);
}

}  // namespace

void compose_forward(const ComposeForwardArgs& args) {
  const std::vector<float> bias_row = as_floats(args.bias, args.bias_type, args.out);
  const std::vector<float> no_bias(static_cast<size_t>(args.base_has_bias ? args.out : 0), 0.0f);
  const float* missing_bias = args.base_has_bias ? no_bias.data() : bias_row.data();
  const bool correct = args.gain != nullptr && (args.base_has_bias || args.dropped != nullptr);
  parallel_for(args.on, args.tokens, rows_of_work(args.out), [&](int64_t first, int64_t last) {
    float base_buffer[kChunk];
    float lora_buffer[kChunk];
    float dropped_buffer[kChunk];
    for (int64_t t = first; t < last; ++t) {
      for (int64_t c = 0; c < args.out; c += kChunk) {
        const int64_t n = std::min(kChunk, args.out - c);
        const int64_t at = t * args.out + c;
        const float* base = load(args.type, args.base, at, n, base_buffer);
        const float* lora =
            args.lora == nullptr ? kZeros : load(args.lora_type, args.lora, at, n, lora_buffer);
        const float* bias = missing_bias + c;
        const float s = args.scale;
        float* y =
            args.type == ElementType::kFloat32 ? static_cast<float*>(args.base) + at : base_buffer;
        if (correct) {
          const bool dropped = args.dropped != nullptr;
          const float* product =
              dropped ? load(args.type, args.dropped, at, n, dropped_buffer) : base;
          const float* offset = dropped ? kZeros : bias_row.data() + c;
          add_correction(base, product, offset, lora, args.gain + c, bias, s, y, n);
        } else if (args.gain != nullptr) {
          scale_sum(base, lora, args.gain + c, bias, s, y, n);
        } else {
          add_lora(base, lora, bias, s, y, n);
        }
        store(args.type, y, args.base, at, n);
      }
    }
  });
}

void compose_backward(const ComposeBackwardArgs& args) {
  constexpr int64_t kColumns = 512;
  const std::vector<float> bias = as_floats(args.bias, args.bias_type, args.out);
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
    const bool flagged = std::fabs(args.divisor[o]) <= args.bound;
    if (args.flagged != nullptr) args.flagged[o] = flagged ? 1 : 0;
    if (!wants_dm) continue;
    double sum = 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) sum += args.workspace[chunk * args.out + o];
    args.dm[o] = flagged ? 0.0f : static_cast<float>(sum / static_cast<double>(args.divisor[o]));
  }
}

}  // namespace dorabooth::cpu
