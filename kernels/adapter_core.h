// The adapter core: one table of functions per backend behind plain structs. No torch, no JSON, no
// OpenMP, C++17 (nvcc reads it). Arguments are trusted: src/ops checks shapes, types and
// contiguity. Formulas: Liu et al. 2024 (DoRA) eq. 5 and 11 with the norm factored through A·Aᵀ;
// AdamW as torch's.
#pragma once

#include <cstdint>

namespace dorabooth {

enum class ElementType : int32_t { kFloat32, kFloat16, kBFloat16 };

inline int64_t element_size(ElementType type) { return type == ElementType::kFloat32 ? 4 : 2; }

// Runs body(body_state, first, last) over pieces of [begin, end), on any threads, and returns when
// all are done. No result of the core depends on how the range is cut.
struct ParallelFor {
  void (*run)(void* context, int64_t begin, int64_t end, int64_t grain,
              void (*body)(void* body_state, int64_t first, int64_t last), void* body_state);
  void* context;
};

// Where a call runs: `parallel` on the CPU (null: the calling thread), `stream` (a cudaStream_t) on
// a device, where every call is asynchronous and pointers are device pointers unless said
// otherwise.
struct Execution {
  const ParallelFor* parallel = nullptr;
  void* stream = nullptr;
};

// square_sums[j] = Σ_i W[j,i]². Deterministic.
struct SquareSumRowsArgs {
  Execution on;
  const void* weight = nullptr;  // [rows, columns] of `type`
  ElementType type = ElementType::kFloat32;
  int64_t rows = 0;
  int64_t columns = 0;
  float* square_sums = nullptr;  // [rows]
};

// Norms of the rows of V = W + s·B·A without V, in one pass over W, and the gain g = m / norm:
//   norm[j] = sqrt(max(0, w2[j] + 2s·Σ_k U[j,k]B[j,k] + s²·Σ_k (B·G)[j,k]B[j,k])),
//   U = W·Aᵀ,  G = A·Aᵀ; products in fp32, in double from one group of columns to the next.
// Where s·B·A cancels W (the sum is below kCancelledShare of w2 plus the last term) the difference
// of large numbers has lost digits: that row of V is formed and its squares are summed.
// A row of zeros in B gives norm = sqrt(w2) rounded once, so m = sqrt(w2) gives g = 1 exactly.
// norm = 0 gives g = 1: the row's output is 0 times anything, and nothing becomes infinite.
struct RowNormArgs {
  Execution on;
  const void* weight = nullptr;  // W [rows, columns] of `type`
  ElementType type = ElementType::kFloat32;
  const float* down = nullptr;         // A [rank, columns]
  const float* up = nullptr;           // B [rows, rank]
  const float* square_sums = nullptr;  // w2 [rows]
  const float* magnitude = nullptr;    // m [rows]; may be null, then gain is not written
  float scale = 1.0f;                  // s
  float epsilon = 0.0f;  // added to the norm in the quotient alone (LyCORIS); 0 for PEFT's DoRA
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t rank = 0;
  float* workspace = nullptr;  // row_norm_workspace(rank) floats
  float* norm = nullptr;       // [rows]; may be null
  float* gain = nullptr;       // g [rows]; may be null
};

inline constexpr double kCancelledShare = 1.0 / 16;

inline int64_t row_norm_workspace(int64_t rank) { return rank * rank; }

// A factor of a low-rank update over the columns of the wide side: A [rank, in] as it is, B with
// `by_column` [out, rank]. rank 0: there is none.
struct Factor {
  const float* values = nullptr;
  int64_t rank = 0;
  bool by_column = false;
};

// [tokens, rank] in fp32, rows `stride` apart.
struct Narrow {
  const float* values = nullptr;
  int64_t stride = 0;
};

// u[t,k] = s·Σ_c x[t,c]·F[k,c]: what an adapter makes of its input (F = A), and du = s·Bᵀ·dyg. Sums
// in fp32; on the CPU in double from one group of columns to the next.
struct NarrowProductArgs {
  Execution on;
  const void* wide = nullptr;  // x [tokens, columns] of `type`
  ElementType type = ElementType::kFloat32;
  Factor factor;
  float scale = 1.0f;
  int64_t tokens = 0;
  int64_t columns = 0;
  float* narrow = nullptr;  // [tokens, rank], rows `narrow_stride` apart
  int64_t narrow_stride = 0;
};

// y = g∘(p + s·l) + b over [tokens, out], in place over `base`, in fp32 with one rounding. p = W·x.
//   base_has_bias = false: base holds p;      y = g·(base + s·l) + b
//   base_has_bias = true:  base holds p + b;  y = base + ((g−1)·(base − b) + g·s·l): with g = 1
//     and l = 0 the base layer's own output bit for bit, however the product rounded its bias.
// With `dropped` (W·x̃, x̃ = the adapter's input after dropout) p is replaced in the correction only:
//   y = base [+ b] + ((g−1)·dropped + g·s·l).
// g null: LoRA, y = base + s·l [+ b]. l is given as its factors, l = u·F, and formed in registers,
// or as a tensor, or not at all (magnitude only: its term is absent). The same call with u = du,
// F = A and neither g nor b adds the update's part to dx.
struct ComposeForwardArgs {
  Execution on;
  void* base = nullptr;  // [tokens, out] of `type`; y on return
  ElementType type = ElementType::kFloat32;
  const void* source = nullptr;  // where p (+ b) lies if not in `base`
  Narrow narrow;                 // u
  Factor factor;                 // F over `out` columns
  const void* lora = nullptr;    // l [tokens, out] of `lora_type`: fp32 or `type`
  ElementType lora_type = ElementType::kFloat32;
  const void* dropped = nullptr;  // [tokens, out] of `type`, or null
  const float* gain = nullptr;    // g [out], or null
  const void* bias = nullptr;     // b [out] of `bias_type`, or null
  ElementType bias_type = ElementType::kFloat32;
  bool base_has_bias = false;
  float scale = 1.0f;  // s
  int64_t tokens = 0;
  int64_t out = 0;
};

// One pass over the data of the backward of y = g∘p + b with the norm n a constant:
//   dyg = dy∘g (one rounding),   dm[o] = Σ_t dy[t,o]·(value[t,o] − bias[o]) / divisor[o].
// Either value = y with its bias and divisor = m, or value = p + s·l with bias = null and divisor =
// n. A column with |divisor| ≤ bound·norm is flagged and its dm is 0: y/m has lost its digits to
// the bias. The sum's order is fixed by the shape.
struct ComposeBackwardArgs {
  Execution on;
  const void* dy = nullptr;  // [tokens, out] of `type`
  ElementType type = ElementType::kFloat32;
  const void* value = nullptr;  // [tokens, out] of `value_type`: fp32 or `type`; null: no dm
  ElementType value_type = ElementType::kFloat32;
  const void* bias = nullptr;  // [out] of `bias_type`, or null
  ElementType bias_type = ElementType::kFloat32;
  const float* gain = nullptr;     // g [out]; null: dyg is not written
  const float* divisor = nullptr;  // [out]; needed with dm and with flagged
  const float* norm = nullptr;     // n [out]; null: 1
  float bound = 0.0f;
  int64_t tokens = 0;
  int64_t out = 0;
  void* dyg = nullptr;          // [tokens, out] of `type`; may equal dy; may be null
  float* dm = nullptr;          // [out], overwritten; may be null
  uint8_t* flagged = nullptr;   // [out], 0 or 1; may be null
  double* workspace = nullptr;  // compose_backward_workspace(tokens, out) doubles; needed with dm
};

inline constexpr int64_t kComposeTokensPerChunk = 64;

inline int64_t compose_backward_workspace(int64_t tokens, int64_t out) {
  return (tokens + kComposeTokensPerChunk - 1) / kComposeTokensPerChunk * out;
}

// The backward of the whole adapted layer but for the frozen product dyg·W:
//   dyg and dm as above (gain null: LoRA, dyg = dy),
//   du = s·dyg·B,   dB = s·dygᵀ·u,   dA = duᵀ·x;   dx is dyg·W + du·A (compose_forward adds it).
// A flagged column's dm is summed from the recomputed value where W is given (dyg is then not dy):
//   dm[o] = Σ_t dy[t,o]·(W·x + s·B·u)[t,o] / n[o], 0 where n is 0.
struct AdapterBackwardArgs {
  ComposeBackwardArgs compose;  // where it runs, dy, its type, tokens and out; value null: LoRA
  const void* x = nullptr;      // [tokens, in] of dy's type
  int64_t in = 0;
  int64_t rank = 0;              // 0: m alone
  Narrow u;                      // A·x
  const float* up = nullptr;     // B [out, rank]
  float scale = 1.0f;            // s
  const void* weight = nullptr;  // W [out, in] of `weight_type`, or null
  ElementType weight_type = ElementType::kFloat32;
  float* du = nullptr;  // [tokens, rank], rows `du_stride` apart
  int64_t du_stride = 0;
  float* d_down = nullptr;     // [rank, in]; may be null
  float* d_up = nullptr;       // [out, rank]; may be null
  float* workspace = nullptr;  // the table's adapter_backward_workspace(…) floats
};

enum class MagnitudeAxis : int32_t { kNone, kOutput, kInput };

// A block of rows of a merged weight, in fp32 with one rounding (to nearest even) at the end:
//   V = W + s·B·A;   D = V (kNone), m_j·V_j/(|V_j|+ε) with |V_j| of this very row (kOutput), or
//   m_i·V_i/(column_norm_i+ε) (kInput);   merged = W + blend·(D − W), and exactly D where blend
//   = 1.
// Strength f, rule peft: s = f·alpha/r, blend = 1, norms of V at that s. Rule lerp: s = alpha/r,
// blend = f. A zero norm leaves its row or column of V as it is.
struct MergeRowsArgs {
  Execution on;
  const void* weight = nullptr;  // W [rows, columns] of `type`
  ElementType type = ElementType::kFloat32;
  const float* down = nullptr;  // A [rank, columns]
  const float* up = nullptr;    // B, these rows: [rows, rank]
  MagnitudeAxis axis = MagnitudeAxis::kNone;
  const float* magnitude = nullptr;     // kOutput: [rows]; kInput: [columns]
  const float* column_norms = nullptr;  // kInput: [columns]
  float scale = 1.0f;                   // s
  float blend = 1.0f;
  float epsilon = 0.0f;  // ε
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t rank = 0;
  void* merged = nullptr;  // [rows, columns] of `merged_type`; may equal weight if types are equal
  ElementType merged_type = ElementType::kFloat32;
};

// sums[i] += Σ_j V[j,i]² over these rows, V = W + s·B·A (rank 0: W). Called block after block of
// rows; the square roots are merge_rows' column_norms.
struct ColumnSquareSumsArgs {
  Execution on;
  const void* weight = nullptr;  // [rows, columns] of `type`
  ElementType type = ElementType::kFloat32;
  const float* down = nullptr;  // A [rank, columns]
  const float* up = nullptr;    // B, these rows: [rows, rank]
  float scale = 1.0f;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t rank = 0;
  double* sums = nullptr;  // [columns], the caller's zeros at first
};

// Elements [begin, end) of the flat buffers share these values. `step` counts from 1, for this
// segment alone (torch counts it per parameter: one without a gradient is left out of the call).
// Fastest where begin is a multiple of 4 and the buffers lie on 16 bytes.
struct AdamWSegment {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t step = 1;
  double learning_rate = 0;
  double weight_decay = 0;
};

// torch.optim.AdamW: p *= 1 − lr·wd; m += (1−β1)(g − m); v = β2·v + (1−β2)g²;
// p −= lr/(1−β1^step) · m / (sqrt(v)/sqrt(1−β2^step) + ε).
struct AdamWArgs {
  Execution on;
  float* parameter = nullptr;
  const float* gradient = nullptr;
  float* exp_avg = nullptr;
  float* exp_avg_sq = nullptr;
  const AdamWSegment* segments = nullptr;  // host memory in every backend
  int64_t segment_count = 0;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
};

// *norm = sqrt(Σ x²), summed in double in blocks of fixed size.
struct L2NormArgs {
  Execution on;
  const float* data = nullptr;
  int64_t count = 0;
  double* workspace = nullptr;  // l2_norm_workspace(count) doubles
  double* norm = nullptr;
};

inline constexpr int64_t kNormBlock = 16384;

inline int64_t l2_norm_workspace(int64_t count) {
  return (count + kNormBlock - 1) / kNormBlock + 1;
}

// data *= factor; where `norm` is given (l2_norm's result, which need not leave the device), also
// data *= min(1, max_norm / (norm + 1e-6)): torch's clip_grad_norm_. A total factor of 1 writes
// nothing.
struct ScaleArgs {
  Execution on;
  float* data = nullptr;
  int64_t count = 0;
  float factor = 1.0f;
  const double* norm = nullptr;
  double max_norm = 0;
};

// mask[i] = 0 where uniform_j < probability, else 1/(1 − probability), j = first + i; uniform_j is
// element j of RandomStream::uniform(step, index) with this key (kernels/philox.h). first is a
// multiple of 4; first + count ≤ 2^34; 0 ≤ probability < 1.
struct DropoutMaskArgs {
  Execution on;
  uint64_t key = 0;
  uint64_t step = 0;
  uint32_t index = 0;
  float probability = 0;
  int64_t first = 0;
  int64_t count = 0;
  void* mask = nullptr;  // [count] of `type`
  ElementType type = ElementType::kFloat32;
};

// NF4 in bitsandbytes' layout: the matrix flattened by rows in blocks of kNf4Block elements, a
// block's largest absolute value, and 4 bits an element, the first of two in a byte's high half. A
// block of zeros is 0 times anything. An odd last byte's low half is zero's index.
inline constexpr int64_t kNf4Block = 64;

struct Nf4QuantizeArgs {
  Execution on;
  const void* weight = nullptr;  // [count] of `type`, finite
  ElementType type = ElementType::kFloat32;
  int64_t count = 0;
  uint8_t* packed = nullptr;  // [(count + 1) / 2]
  float* absmax = nullptr;    // [ceil(count / kNf4Block)]
};

// Elements [first, first + count): value · absmax of its block with one rounding to `type`. With
// double quantisation (absmax null) the absmax of block i is
//   nested_code[absmax_index[i]]·nested_absmax[i / kNf4NestedBlock] + offset, two roundings.
inline constexpr int64_t kNf4NestedBlock = 256;

struct Nf4DequantizeArgs {
  Execution on;
  const uint8_t* packed = nullptr;  // from the matrix's first element on
  const float* absmax = nullptr;    // from the first block on, or null
  const uint8_t* absmax_index = nullptr;
  const float* nested_absmax = nullptr;
  const float* nested_code = nullptr;  // [256]
  float offset = 0.0f;
  int64_t first = 0;
  int64_t count = 0;
  void* values = nullptr;  // [count] of `type`
  ElementType type = ElementType::kFloat32;
};

struct AdapterCore {
  const char* name;  // "cpu", "emulated", "cuda"
  void (*square_sum_rows)(const SquareSumRowsArgs&);
  void (*row_norm)(const RowNormArgs&);
  void (*narrow_product)(const NarrowProductArgs&);
  void (*compose_forward)(const ComposeForwardArgs&);
  void (*compose_backward)(const ComposeBackwardArgs&);
  void (*adapter_backward)(const AdapterBackwardArgs&);
  int64_t (*adapter_backward_workspace)(int64_t tokens, int64_t in, int64_t out, int64_t rank);
  void (*merge_rows)(const MergeRowsArgs&);
  void (*column_square_sums)(const ColumnSquareSumsArgs&);
  void (*adamw)(const AdamWArgs&);
  void (*l2_norm)(const L2NormArgs&);
  void (*scale)(const ScaleArgs&);
  void (*dropout_mask)(const DropoutMaskArgs&);
  void (*nf4_quantize)(const Nf4QuantizeArgs&);
  void (*nf4_dequantize)(const Nf4DequantizeArgs&);
};

// The vectorised CPU twins: the product path without a GPU.
const AdapterCore& cpu_core();

// Raised with every change of the structs above: the CUDA object is opened at run time.
inline constexpr int32_t kAdapterCoreVersion = 5;

}  // namespace dorabooth

// Exported by libdorabooth_cuda.so: its table, or null where it was built for another version of
// this header.
extern "C" const dorabooth::AdapterCore* dorabooth_cuda_core(int32_t version);
