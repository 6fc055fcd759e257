// What the CPU twins are written with: clones per instruction set, 16-lane vectors, rows as floats,
// and the caller's parallel loop.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/adapter_core.h"

// A resolver that runs before AddressSanitizer is ready crashes, so there the baseline serves.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__)
#define DORABOOTH_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define DORABOOTH_CLONES
#endif

namespace dorabooth::cpu {

typedef float Floats __attribute__((vector_size(64), aligned(4), may_alias));
typedef double Doubles __attribute__((vector_size(128), aligned(8), may_alias));
inline constexpr int64_t kLanes = 16;

// Rows are worked on in pieces of this many elements, which stay in the first-level cache.
inline constexpr int64_t kChunk = 1024;
extern const float kZeros[kChunk];

// Memory of a kernel for the length of a call, kept by the thread for the next one: uninitialised.
class Scratch {
 public:
  explicit Scratch(int64_t count);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  float* floats() const { return buffer_.memory.get(); }
  struct Buffer {
    std::unique_ptr<float[]> memory;
    int64_t size = 0;
  };

 private:
  Buffer buffer_;
};

// Elements [first, first + n) of `data` as floats: a pointer to them where they are floats, else
// `buffer`.
const float* load(ElementType type, const void* data, int64_t first, int64_t n, float* buffer);
// Always a copy.
void copy(ElementType type, const void* data, int64_t first, int64_t n, float* out);
// `n` floats of `data`, or `absent` where it is null.
std::vector<float> row_of_floats(const void* data, ElementType type, int64_t n, float absent);
void store(ElementType type, const float* values, void* data, int64_t first, int64_t n);
// `n` numbers of one type as another, rounded to nearest even.
void convert(ElementType from, const void* in, ElementType to, void* out, int64_t n);

// Σ x², the same for a row whole and in chunks that begin at multiples of kChunk.
double square_sum(const float* x, int64_t n);

// values[i][c] += scale · Σ_k up[i·up_stride + k] · down[k·stride + c] for i < rows ≤ 4 and c < n.
void add_low_rank(float* const* values, int64_t rows, int64_t n, const float* up, int64_t up_stride,
                  int64_t rank, const float* down, int64_t stride, float scale);

template <typename Body>
void parallel_for(const Execution& on, int64_t count, int64_t grain, const Body& body) {
  if (count <= 0) return;
  if (on.parallel == nullptr) {
    body(int64_t{0}, count);
    return;
  }
  on.parallel->run(
      on.parallel->context, 0, count, grain < 1 ? 1 : grain,
      [](void* state, int64_t first, int64_t last) {
        (*static_cast<const Body*>(state))(first, last);
      },
      const_cast<Body*>(&body));
}

inline int64_t rows_of_work(int64_t elements_per_row) {
  return 32768 / (elements_per_row < 1 ? 1 : elements_per_row) + 1;
}

void square_sum_rows(const SquareSumRowsArgs& args);
void row_norm(const RowNormArgs& args);
void narrow_product(const NarrowProductArgs& args);
void compose_forward(const ComposeForwardArgs& args);
void compose_backward(const ComposeBackwardArgs& args);
void adapter_backward(const AdapterBackwardArgs& args);
int64_t adapter_backward_workspace(int64_t tokens, int64_t in, int64_t out, int64_t rank);
void merge_rows(const MergeRowsArgs& args);
void column_square_sums(const ColumnSquareSumsArgs& args);
void adamw(const AdamWArgs& args);
void l2_norm(const L2NormArgs& args);
void scale(const ScaleArgs& args);
void dropout_mask(const DropoutMaskArgs& args);
void nf4_quantize(const Nf4QuantizeArgs& args);
void nf4_dequantize(const Nf4DequantizeArgs& args);

}  // namespace dorabooth::cpu
