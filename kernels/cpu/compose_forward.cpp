// CPU twin of the compose step: y = g∘(Wx + s·B(Ax)) + b, the update formed in the first-level
// cache.
#include <algorithm>
#include <vector>

#include "kernels/cpu/low_rank.h"
#include "kernels/cpu/vector.h"
#include "kernels/element.h"

namespace dorabooth::cpu {

namespace {

template <typename T>
__attribute__((always_inline)) inline void scale_sum_of(const T* source, const float* lora,
                                                        const float* gain, const float* bias,
                                                        float s, T* y, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    narrow(gain[i] * (widen(source[i]) + s * lora[i]) + bias[i], y[i]);
  }
}

// One loop without conversion buffers where the types are the usual ones.
DORABOOTH_CLONES void scale_sum(const float* source, const float* lora, const float* gain,
                                const float* bias, float s, float* y, int64_t n) {
  scale_sum_of(source, lora, gain, bias, s, y, n);
}

DORABOOTH_CLONES void scale_sum(const BFloat16* source, const float* lora, const float* gain,
                                const float* bias, float s, BFloat16* y, int64_t n) {
  scale_sum_of(source, lora, gain, bias, s, y, n);
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

const void* source_of(const ComposeForwardArgs& args) {
  return args.source != nullptr ? args.source : args.base;
}

// The general form: any type, through conversion buffers.
void compose_corrected(const ComposeForwardArgs& args, const Columns& columns, int64_t at,
                       int64_t c, int64_t n, const float* lora) {
  float base_buffer[kChunk];
  float dropped_buffer[kChunk];
  const bool is_float = args.type == ElementType::kFloat32;
  float* y = is_float ? static_cast<float*>(args.base) + at : base_buffer;
  const float* source = load(args.type, source_of(args), at, n, base_buffer);
  if (source != y) std::copy_n(source, n, y);
  const float* gain = columns.gain.data() + c;
  const float* bias = columns.missing_bias.data() + c;
  if (!columns.correct) {
    scale_sum(y, lora, gain, bias, args.scale, y, n);
  } else if (args.dropped != nullptr) {
    const float* dropped = load(args.type, args.dropped, at, n, dropped_buffer);
    add_correction(dropped, kZeros, lora, gain, bias, args.scale, y, n);
  } else {
    add_correction(y, columns.bias.data() + c, lora, gain, bias, args.scale, y, n);
  }
  store(args.type, y, args.base, at, n);
}

template <typename T>
void compose_plain(const ComposeForwardArgs& args, const Columns& columns, int64_t at, int64_t c,
                   int64_t n, const float* lora) {
  scale_sum(static_cast<const T*>(source_of(args)) + at, lora, columns.gain.data() + c,
            columns.missing_bias.data() + c, args.scale, static_cast<T*>(args.base) + at, n);
}

// Elements [at, at + n) of one token, from column c; `lora` holds their part of the update.
void compose_piece(const ComposeForwardArgs& args, const Columns& columns, int64_t at, int64_t c,
                   int64_t n, const float* lora) {
  if (columns.correct || args.type == ElementType::kFloat16) {
    compose_corrected(args, columns, at, c, n, lora);
  } else if (args.type == ElementType::kFloat32) {
    compose_plain<float>(args, columns, at, c, n, lora);
  } else {
    compose_plain<BFloat16>(args, columns, at, c, n, lora);
  }
}

// Tokens whose update is formed at once.
constexpr int64_t kTokens = 4;
constexpr int64_t kPiece = kChunk / 2;

void compose_tokens(const ComposeForwardArgs& args, const Columns& columns,
                    const FactorByRank& factor, int64_t first, int64_t count) {
  float update[kTokens][kPiece];
  float* rows[kTokens] = {update[0], update[1], update[2], update[3]};
  for (int64_t c = 0; c < args.out; c += kPiece) {
    const int64_t n = std::min(kPiece, args.out - c);
    for (int64_t i = 0; i < count; ++i) std::fill_n(update[i], n, 0.0f);
    add_low_rank(rows, count, n, args.narrow.values + first * args.narrow.stride,
                 args.narrow.stride, factor.rank(), factor.at(c), factor.stride(), 1.0f);
    for (int64_t i = 0; i < count; ++i) {
      compose_piece(args, columns, (first + i) * args.out + c, c, n, update[i]);
    }
  }
}

void compose_with_tensor(const ComposeForwardArgs& args, const Columns& columns, int64_t token) {
  float buffer[kChunk];
  for (int64_t c = 0; c < args.out; c += kChunk) {
    const int64_t n = std::min(kChunk, args.out - c);
    const int64_t at = token * args.out + c;
    const float* lora =
        args.lora == nullptr ? kZeros : load(args.lora_type, args.lora, at, n, buffer);
    compose_piece(args, columns, at, c, n, lora);
  }
}

}  // namespace

void compose_forward(const ComposeForwardArgs& args) {
  const Columns columns(args);
  if (args.factor.rank == 0) {
    parallel_for(args.on, args.tokens, rows_of_work(args.out), [&](int64_t first, int64_t last) {
      for (int64_t t = first; t < last; ++t) compose_with_tensor(args, columns, t);
    });
    return;
  }
  const FactorByRank factor(args.factor, args.out);
  const int64_t groups = (args.tokens + kTokens - 1) / kTokens;
  parallel_for(args.on, groups, rows_of_work(kTokens * args.out), [&](int64_t first, int64_t last) {
    for (int64_t group = first; group < last; ++group) {
      const int64_t token = group * kTokens;
      compose_tokens(args, columns, factor, token, std::min(kTokens, args.tokens - token));
    }
  });
}

}  // namespace dorabooth::cpu
