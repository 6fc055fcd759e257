// With s = q·kᵀ/sqrt(size), P = softmax(s) = exp(s - log_sums): dv = Pᵀ·dy, dP = dy·vᵀ,
// ds = P∘(dP - rowsum(P∘dP))/sqrt(size), dq = ds·k, dk = dsᵀ·q. Nothing depends on the number of
// threads.
#include "src/nn/head_attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/cpu/vector.h"
#include "src/device/parallel_for.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define DORABOOTH_AVX512 __attribute__((target("arch=x86-64-v4")))
#else
#define DORABOOTH_AVX512
#endif
#define DORABOOTH_INLINE __attribute__((always_inline)) inline

namespace dorabooth::nn {

namespace {

using cpu::Floats;
typedef int32_t Ints __attribute__((vector_size(64), aligned(4), may_alias));

constexpr int64_t kLanes = kHeadLanes;
constexpr int64_t kTileRows = 6;
constexpr int64_t kTileColumns = 4 * kLanes;  // 24 sums, 4 operands and a factor: 29 registers
// Rows whose scores are at hand at a time, and rows that one task of the forward pass takes.
constexpr int64_t kBlock = 8 * kTileRows;
constexpr int64_t kTaskRows = 2 * kBlock;
// Multiplications (of the scores) in a thread's part: fewer take less time than waking a thread.
constexpr int64_t kLeastProducts = 1 << 19;

DORABOOTH_INLINE Floats& at(float* p) { return *reinterpret_cast<Floats*>(p); }
DORABOOTH_INLINE const Floats& at(const float* p) { return *reinterpret_cast<const Floats*>(p); }

// A matrix as a product reads it: element (i, j) at i * row + j * column.
struct Left {
  const float* data;
  int64_t row;
  int64_t column;
};

// c[i][j] (+)= Σ_k a(i, k)·b[k][j] for Rows rows and Vectors vectors of columns.
template <int Rows, int Vectors>
DORABOOTH_INLINE void tile(const Left& a, const float* b, int64_t b_row, int64_t depth, float* c,
                           int64_t c_row, bool adds) {
  Floats sums[Rows][Vectors];
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < Vectors; ++j) sums[i][j] = Floats{};
  }
  const float* left = a.data;
  for (int64_t k = 0; k < depth; ++k, left += a.column, b += b_row) {
    Floats right[Vectors];
#pragma GCC unroll 8
    for (int j = 0; j < Vectors; ++j) right[j] = at(b + j * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < Rows; ++i) {
      const Floats factor = Floats{} + left[i * a.row];
#pragma GCC unroll 8
      for (int j = 0; j < Vectors; ++j) sums[i][j] += factor * right[j];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < Vectors; ++j) {
      Floats& out = at(c + i * c_row + j * kLanes);
      out = adds ? out + sums[i][j] : sums[i][j];
    }
  }
}

template <int Vectors>
DORABOOTH_INLINE void tile_rows(int64_t rows, const Left& a, const float* b, int64_t b_row,
                                int64_t depth, float* c, int64_t c_row, bool adds) {
  switch (rows) {
    case 1:
      return tile<1, Vectors>(a, b, b_row, depth, c, c_row, adds);
    case 2:
      return tile<2, Vectors>(a, b, b_row, depth, c, c_row, adds);
    case 3:
      return tile<3, Vectors>(a, b, b_row, depth, c, c_row, adds);
    case 4:
      return tile<4, Vectors>(a, b, b_row, depth, c, c_row, adds);
    case 5:
      return tile<5, Vectors>(a, b, b_row, depth, c, c_row, adds);
    default:
      return tile<6, Vectors>(a, b, b_row, depth, c, c_row, adds);
  }
}

// One panel of at most kTileColumns columns (a multiple of kLanes) under all rows.
DORABOOTH_AVX512 void panel_product(int64_t rows, int64_t columns, int64_t depth, const Left& a,
                                    const float* b, int64_t b_row, float* c, int64_t c_row,
                                    bool adds) {
  for (int64_t i = 0; i < rows; i += kTileRows) {
    const int64_t count = std::min(kTileRows, rows - i);
    const Left left{a.data + i * a.row, a.row, a.column};
    float* out = c + i * c_row;
    switch (columns / kLanes) {
      case 1:
        tile_rows<1>(count, left, b, b_row, depth, out, c_row, adds);
        break;
      case 2:
        tile_rows<2>(count, left, b, b_row, depth, out, c_row, adds);
        break;
      case 3:
        tile_rows<3>(count, left, b, b_row, depth, out, c_row, adds);
        break;
      default:
        tile_rows<4>(count, left, b, b_row, depth, out, c_row, adds);
    }
  }
}

int64_t padded(int64_t count) { return (count + kLanes - 1) / kLanes * kLanes; }

// Rows [count, size] of one head as columns, in panels of kTileColumns, times `factor`; zeros up to
// the padded count.
class TransposedPanels {
 public:
  TransposedPanels(const float* rows, int64_t stride, int64_t count, int64_t size, float factor)
      : columns_(padded(count)), size_(size), values_(static_cast<size_t>(columns_ * size)) {
    for (int64_t first = 0; first < columns_; first += kTileColumns) {
      const int64_t width = std::min(kTileColumns, columns_ - first);
      float* panel = values_.data() + first * size;
      for (int64_t j = 0; j < std::min(width, count - first); ++j) {
        const float* row = rows + (first + j) * stride;
        for (int64_t i = 0; i < size; ++i) panel[i * width + j] = factor * row[i];
      }
    }
  }

  // out[rows][columns] = a·panels.
  void product(int64_t rows, const Left& a, float* out) const {
    for (int64_t first = 0; first < columns_; first += kTileColumns) {
      const int64_t width = std::min(kTileColumns, columns_ - first);
      panel_product(rows, width, size_, a, values_.data() + first * size_, width, out + first,
                    columns_, /*adds=*/false);
    }
  }

 private:
  int64_t columns_;
  int64_t size_;
  std::vector<float> values_;
};

// c[rows][size] (+)= a·b, b [depth][size].
void product(int64_t rows, int64_t size, int64_t depth, const Left& a, const float* b,
             int64_t b_row, float* c, int64_t c_row, bool adds) {
  for (int64_t first = 0; first < size; first += kTileColumns) {
    panel_product(rows, std::min(kTileColumns, size - first), depth, a, b + first, b_row, c + first,
                  c_row, adds);
  }
}

// exp(x) for x <= 0: 2^n · p(r), |r| <= ln(2)/2, p the Taylor polynomial of degree 6 (relative
// error below 2e-7); below -87 a number next to zero.
DORABOOTH_INLINE void exponential(Floats& x) {
  const Floats t = x < -87.0f ? Floats{} - 87.0f : x;
  const float magic = 12582912.0f;  // 1.5 · 2^23: adding it rounds to an integer
  const Floats n = (t * 1.44269504f + magic) - magic;
  const Floats r = (t - n * 0.693359375f) + n * 2.12194440e-4f;
  Floats p = r * (1.0f / 720) + (1.0f / 120);
  p = p * r + (1.0f / 24);
  p = p * r + (1.0f / 6);
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const Ints exponent = (__builtin_convertvector(n, Ints) + 127) << 23;
  Floats power;
  std::memcpy(&power, &exponent, sizeof(power));
  x = p * power;
}

DORABOOTH_INLINE float sum_of(const Floats& lanes) {
  float sum = 0;
  for (int64_t i = 0; i < kLanes; ++i) sum += lanes[i];
  return sum;
}

// Scores become exp(s - maximum), zeros in the padding; returns their sum and the maximum.
struct RowSum {
  float sum;
  float maximum;
};
DORABOOTH_AVX512 RowSum exponentials(float* scores, int64_t count) {
  const int64_t columns = padded(count);
  std::fill(scores + count, scores + columns, -std::numeric_limits<float>::infinity());
  Floats largest = at(scores);
  for (int64_t j = kLanes; j < columns; j += kLanes) {
    const Floats& value = at(scores + j);
    largest = value > largest ? value : largest;
  }
  float maximum = largest[0];
  for (int64_t i = 1; i < kLanes; ++i) maximum = std::max(maximum, largest[i]);
  Floats sum{};
  for (int64_t j = 0; j < columns; j += kLanes) {
    Floats value = at(scores + j) - maximum;
    exponential(value);
    at(scores + j) = value;
    if (j + kLanes >= columns) {
      for (int64_t i = count; i < columns; ++i) scores[i] = 0;
      value = at(scores + j);
    }
    sum += value;
  }
  return {sum_of(sum), maximum};
}

// Scores become P, gradients of P those of the scores times `scale`.
DORABOOTH_AVX512 void softmax_backward(float* scores, float* gradients, int64_t count,
                                       float log_sum, float scale) {
  const int64_t columns = padded(count);
  Floats sum{};
  for (int64_t j = 0; j < columns; j += kLanes) {
    Floats value = at(scores + j) - log_sum;
    // Rounding may leave a score a little above its sum.
    value = value > 0.0f ? Floats{} : value;
    exponential(value);
    at(scores + j) = value;
    if (j + kLanes >= columns) {
      for (int64_t i = count; i < columns; ++i) scores[i] = 0;
      value = at(scores + j);
    }
    sum += value * at(gradients + j);
  }
  const float weighted = sum_of(sum);
  for (int64_t j = 0; j < columns; j += kLanes) {
    at(gradients + j) = at(scores + j) * (at(gradients + j) - weighted) * scale;
  }
}

DORABOOTH_AVX512 void scale_rows(float* y, int64_t rows, int64_t stride, int64_t size,
                                 const float* factors) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < size; j += kLanes) at(y + i * stride + j) *= factors[i];
  }
}

// Where head h of picture n begins among rows of queries or of keys.
struct Head {
  Head(const HeadShape& shape, int64_t index)
      : stride(shape.heads * shape.size),
        queries(index / shape.heads * shape.tokens * stride + index % shape.heads * shape.size),
        keys(index / shape.heads * shape.context * stride + index % shape.heads * shape.size) {}
  int64_t stride;
  int64_t queries;
  int64_t keys;
};

float score_scale(const HeadShape& shape) {
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(shape.size)));
}

void forward_rows(const HeadShape& shape, const AttentionInputs& inputs, int64_t index,
                  int64_t first, int64_t last, float* y, float* log_sums) {
  const Head head(shape, index);
  const TransposedPanels keys(inputs.k + head.keys, head.stride, shape.context, shape.size,
                              score_scale(shape));
  const int64_t columns = padded(shape.context);
  std::vector<float> scores(static_cast<size_t>(kBlock * columns));
  float factors[kBlock];
  for (int64_t t = first; t < last; t += kBlock) {
    const int64_t rows = std::min(kBlock, last - t);
    keys.product(rows, {inputs.q + head.queries + t * head.stride, head.stride, 1}, scores.data());
    for (int64_t i = 0; i < rows; ++i) {
      const RowSum row = exponentials(scores.data() + i * columns, shape.context);
      factors[i] = 1.0f / row.sum;
      log_sums[index * shape.tokens + t + i] = row.maximum + std::log(row.sum);
    }
    float* out = y + head.queries + t * head.stride;
    product(rows, shape.size, shape.context, {scores.data(), columns, 1}, inputs.v + head.keys,
            head.stride, out, head.stride, /*adds=*/false);
    scale_rows(out, rows, head.stride, shape.size, factors);
  }
}

void backward_head(const HeadShape& shape, const AttentionInputs& inputs, int64_t index,
                   const float* log_sums, const float* dy, const AttentionGradients& gradients) {
  const Head head(shape, index);
  const float scale = score_scale(shape);
  const TransposedPanels keys(inputs.k + head.keys, head.stride, shape.context, shape.size, scale);
  const TransposedPanels values(inputs.v + head.keys, head.stride, shape.context, shape.size, 1.0f);
  const int64_t columns = padded(shape.context);
  std::vector<float> scores(static_cast<size_t>(kBlock * columns));
  std::vector<float> of_scores(scores.size());
  for (int64_t t = 0; t < shape.tokens; t += kBlock) {
    const int64_t rows = std::min(kBlock, shape.tokens - t);
    const int64_t queries = head.queries + t * head.stride;
    keys.product(rows, {inputs.q + queries, head.stride, 1}, scores.data());
    values.product(rows, {dy + queries, head.stride, 1}, of_scores.data());
    for (int64_t i = 0; i < rows; ++i) {
      softmax_backward(scores.data() + i * columns, of_scores.data() + i * columns, shape.context,
                       log_sums[index * shape.tokens + t + i], scale);
    }
    product(rows, shape.size, shape.context, {of_scores.data(), columns, 1}, inputs.k + head.keys,
            head.stride, gradients.dq + queries, head.stride, /*adds=*/false);
    if (!gradients.dk) continue;
    product(shape.context, shape.size, rows, {scores.data(), 1, columns}, dy + queries, head.stride,
            gradients.dv + head.keys, head.stride, /*adds=*/t > 0);
    product(shape.context, shape.size, rows, {of_scores.data(), 1, columns}, inputs.q + queries,
            head.stride, gradients.dk + head.keys, head.stride, /*adds=*/t > 0);
  }
}

}  // namespace

bool cpu_has_head_attention() {
#if defined(__x86_64__) && defined(__GNUC__)
  static const bool has = __builtin_cpu_supports("x86-64-v4") != 0;
  return has;
#else
  return false;
#endif
}

void head_attention_forward(const HeadShape& shape, const AttentionInputs& inputs, float* y,
                            float* log_sums) {
  const int64_t tasks = (shape.tokens + kTaskRows - 1) / kTaskRows;
  const int64_t grain = kLeastProducts / (kTaskRows * shape.context * shape.size) + 1;
  dorabooth::parallel_for(0, shape.batch * shape.heads * tasks, grain,
                          [&](int64_t begin, int64_t end) {
                            for (int64_t task = begin; task < end; ++task) {
                              const int64_t first = task % tasks * kTaskRows;
                              forward_rows(shape, inputs, task / tasks, first,
                                           std::min(first + kTaskRows, shape.tokens), y, log_sums);
                            }
                          });
}

void head_attention_backward(const HeadShape& shape, const AttentionInputs& inputs,
                             const float* log_sums, const float* dy,
                             const AttentionGradients& gradients) {
  const int64_t grain = kLeastProducts / (shape.tokens * shape.context * shape.size) + 1;
  dorabooth::parallel_for(0, shape.batch * shape.heads, grain, [&](int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; ++index) {
      backward_head(shape, inputs, index, log_sums, dy, gradients);
    }
  });
}

}  // namespace dorabooth::nn
