// CPU twin of the compose step: y = g∘(Wx + s·B(Ax)) + b, in place over Wx.
#include <algorithm>
#include <vector>

#include "kernels/cpu/vector.h"
#include "kernels/element.h"

namespace dorabooth::cpu {

namespace {

template <typename T, typename L>
__attribute__((always_inline)) inline void scale_sum_of(const L* lora, const float* gain,
                                                        const float* bias, float s, T* y,
                                                        int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    narrow(gain[i] * (widen(y[i]) + s * widen(lora[i])) + bias[i], y[i]);
  }
}

// One loop without conversion buffers where the types are the usual ones.
DORABOOTH_CLONES void scale_sum(const float* lora, const float* gain, const float* bias, float s,
                                float* y, int64_t n) {
  scale_sum_of(lora, gain, bias, s, y, n);
}

DORABOOTH_CLONES void scale_sum(const float* lora, const float* gain, const float* bias, float s,
                                BFloat16* y, int64_t n) {
  scale_sum_of(lora, gain, bias, s, y, n);
}

DORABOOTH_CLONES void scale_sum(const BFloat16* lora, const float* gain, const float* bias, float s,
                                BFloat16* y, int64_t n) {
  scale_sum_of(lora, gain, bias, s, y, n);
}

// product − offset is W·x (or W·x̃); `bias` is what y still lacks.
DORABOOTH_CLONES void add_correction(const float* product, const float* offset, const float* lora,
                                     const float* gain, const float* bias, float s, float* y,
                                     int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const float correction = (gain[i] - 1.0f) * (product[i] - offset[i]) + gain[i] * (s * lora[i]);
    y[i] = (y[i] + correction) + bias[i];
  }
}

// What all tokens share, as floats. A gain of one and a bias of zero change no bit.
struct Columns {
  std::vector<float> gain, bias, missing_bias;
  bool correct;

  explicit Columns(const ComposeForwardArgs& args)
      : gain(row_of_floats(args.gain, ElementType::kFloat32, args.out, 1.0f)),
        bias(row_of_floats(args.bias, args.bias_type, args.out, 0.0f)),
        missing_bias(args.base_has_bias ? std::vector<float>(bias.size(), 0.0f) : bias),
        correct(args.gain != nullptr && (args.base_has_bias || args.dropped != nullptr)) {}
};

// Elements [at, at + n) of one token, from column c, n ≤ kChunk.
void compose_chunk(const ComposeForwardArgs& args, const Columns& columns, int64_t at, int64_t c,
                   int64_t n) {
  float base_buffer[kChunk];
  float lora_buffer[kChunk];
  float dropped_buffer[kChunk];
  const bool is_float = args.type == ElementType::kFloat32;
  float* y = is_float ? static_cast<float*>(args.base) + at : base_buffer;
  if (!is_float) copy(args.type, args.base, at, n, y);
  const float* lora =
      args.lora == nullptr ? kZeros : load(args.lora_type, args.lora, at, n, lora_buffer);
  const float* gain = columns.gain.data() + c;
  const float* bias = columns.missing_bias.data() + c;
  if (!columns.correct) {
    scale_sum(lora, gain, bias, args.scale, y, n);
  } else if (args.dropped != nullptr) {
    const float* dropped = load(args.type, args.dropped, at, n, dropped_buffer);
    add_correction(dropped, kZeros, lora, gain, bias, args.scale, y, n);
  } else {
    add_correction(y, columns.bias.data() + c, lora, gain, bias, args.scale, y, n);
  }
  store(args.type, y, args.base, at, n);
}

template <typename T, typename L>
void compose_row(const ComposeForwardArgs& args, const Columns& columns, int64_t at) {
  scale_sum(static_cast<const L*>(args.lora) + at, columns.gain.data(), columns.missing_bias.data(),
            args.scale, static_cast<T*>(args.base) + at, args.out);
}

}  // namespace

void compose_forward(const ComposeForwardArgs& args) {
  const Columns columns(args);
  const bool one_loop = !columns.correct && args.lora != nullptr;
  const bool float_lora = args.lora_type == ElementType::kFloat32;
  const bool bfloat16_lora = args.lora_type == ElementType::kBFloat16;
  parallel_for(args.on, args.tokens, rows_of_work(args.out), [&](int64_t first, int64_t last) {
    for (int64_t t = first; t < last; ++t) {
      const int64_t at = t * args.out;
      if (one_loop && args.type == ElementType::kFloat32 && float_lora) {
        compose_row<float, float>(args, columns, at);
      } else if (one_loop && args.type == ElementType::kBFloat16 && float_lora) {
        compose_row<BFloat16, float>(args, columns, at);
      } else if (one_loop && args.type == ElementType::kBFloat16 && bfloat16_lora) {
        compose_row<BFloat16, BFloat16>(args, columns, at);
      } else {
        for (int64_t c = 0; c < args.out; c += kChunk) {
          compose_chunk(args, columns, at + c, c, std::min(kChunk, args.out - c));
        }
      }
    }
  });
}

}  // namespace dorabooth::cpu
