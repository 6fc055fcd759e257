// CPU twin of the adapted layer's backward: dyg and dm, then the products with the factors while
// dyg is in the cache.
#include <algorithm>

#include "kernels/cpu/low_rank.h"
#include "kernels/cpu/vector.h"

namespace dorabooth::cpu {

namespace {

double dot(ElementType type_a, const void* a, int64_t at_a, ElementType type_b, const void* b,
           int64_t at_b, int64_t n) {
  float buffer_a[kChunk];
  float buffer_b[kChunk];
  double sum = 0;
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t count = std::min(kChunk, n - i);
    const float* x = load(type_a, a, at_a + i, count, buffer_a);
    const float* y = load(type_b, b, at_b + i, count, buffer_b);
    for (int64_t k = 0; k < count; ++k)
      sum += static_cast<double>(x[k]) * static_cast<double>(y[k]);
  }
  return sum;
}

// dm of one column from the value that a layer without magnitude has there.
float recomputed_dm(const AdapterBackwardArgs& args, int64_t o) {
  const ComposeBackwardArgs& compose = args.compose;
  const float norm = compose.norm[o];
  if (norm == 0.0f) return 0.0f;
  double sum = 0;
  for (int64_t t = 0; t < compose.tokens; ++t) {
    double value =
        dot(args.weight_type, args.weight, o * args.in, compose.type, args.x, t * args.in, args.in);
    if (args.rank > 0) {
      value += static_cast<double>(args.scale) * dot(ElementType::kFloat32, args.up, o * args.rank,
                                                     ElementType::kFloat32, args.u.values,
                                                     t * args.u.stride, args.rank);
    }
    float dy = 0;
    copy(compose.type, compose.dy, t * compose.out + o, 1, &dy);
    sum += static_cast<double>(dy) * value;
  }
  return static_cast<float>(sum / static_cast<double>(norm));
}

}  // namespace

void adapter_backward(const AdapterBackwardArgs& args) {
  const ComposeBackwardArgs& compose = args.compose;
  const bool has_magnitude = compose.dm != nullptr && compose.value != nullptr;
  const bool recomputes = has_magnitude && args.weight != nullptr && compose.flagged != nullptr;
  if (has_magnitude || compose.gain != nullptr) compose_backward(compose);
  if (recomputes) {
    for (int64_t o = 0; o < compose.out; ++o) {
      if (compose.flagged[o] != 0) compose.dm[o] = recomputed_dm(args, o);
    }
  }
  if (args.rank == 0) return;
  const void* dyg = compose.gain != nullptr ? compose.dyg : compose.dy;
  if (args.up != nullptr) {
    NarrowProductArgs du;
    du.on = compose.on;
    du.wide = dyg;
    du.type = compose.type;
    du.factor = {args.up, args.rank, true};
    du.scale = args.scale;
    du.tokens = compose.tokens;
    du.columns = compose.out;
    du.narrow = args.du;
    du.narrow_stride = args.du_stride;
    narrow_product(du);
  }
  FactorGradient gradient;
  gradient.type = compose.type;
  gradient.tokens = compose.tokens;
  gradient.rank = args.rank;
  if (args.d_up != nullptr) {
    gradient.wide = dyg;
    gradient.narrow = args.u;
    gradient.columns = compose.out;
    gradient.scale = args.scale;
    gradient.by_column = true;
    gradient.gradient = args.d_up;
    factor_gradient(compose.on, gradient);
  }
  if (args.d_down != nullptr) {
    gradient.wide = args.x;
    gradient.narrow = {args.du, args.du_stride};
    gradient.columns = args.in;
    gradient.scale = 1.0f;
    gradient.by_column = false;
    gradient.gradient = args.d_down;
    factor_gradient(compose.on, gradient);
  }
}

// The sums stay in registers.
int64_t adapter_backward_workspace(int64_t, int64_t, int64_t, int64_t) { return 0; }

}  // namespace dorabooth::cpu
