// mean and variance from per-channel sums of x and x², taken as differences from the channel's
// first pixel (fp32 over short runs of pixels, fp64 over the rest). With z = (x - mean)·rstd·w + b,
// dz = dy or dy·SiLU'(z), and sums over a group's M elements: dx = rstd·(w·dz - Σ(w·dz)/M -
// xhat·Σ(w·dz·xhat)/M).
#include "src/nn/group_norm_pixels.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/cpu/eight_lanes.h"
#include "kernels/cpu/half_instructions.h"
#include "kernels/cpu/vector.h"
#include "kernels/element.h"
#include "src/device/parallel_for.h"

#define DORABOOTH_INLINE __attribute__((always_inline)) inline

namespace dorabooth::nn {

namespace {

// A vector's attributes do not survive as a template's argument; those of a member do.
struct Sixteen {
  using Floats = cpu::Floats;
  typedef int32_t Ints __attribute__((vector_size(64), aligned(4), may_alias));
  typedef uint32_t Words __attribute__((vector_size(64), aligned(4), may_alias));
  typedef uint16_t Halves __attribute__((vector_size(32), aligned(2), may_alias));
  static constexpr int64_t kLanes = cpu::kLanes;
};
struct Eight {
  using Floats = cpu::EightFloats;
  typedef int32_t Ints __attribute__((vector_size(32), aligned(4), may_alias));
  typedef uint32_t Words __attribute__((vector_size(32), aligned(4), may_alias));
  typedef uint16_t Halves __attribute__((vector_size(16), aligned(2), may_alias));
  static constexpr int64_t kLanes = cpu::kEight;
};

// Pixels summed in fp32 before the sum goes to fp64.
constexpr int64_t kRun = 64;
constexpr int64_t kMostPieces = 64;

// Loads, stores and arithmetic of vectors of one width.
template <typename Width>
struct Lanes {
  using Floats = typename Width::Floats;
  using Ints = typename Width::Ints;
  using Words = typename Width::Words;
  using Halves = typename Width::Halves;

  DORABOOTH_INLINE static void load(const float* from, Floats& out) {
    out = *reinterpret_cast<const Floats*>(from);
  }
  DORABOOTH_INLINE static void store(const Floats& value, float* to) {
    *reinterpret_cast<Floats*>(to) = value;
  }
  DORABOOTH_INLINE static void load(const BFloat16* from, Floats& out) {
    const Words words = __builtin_convertvector(*reinterpret_cast<const Halves*>(from), Words)
                        << 16;
    std::memcpy(&out, &words, sizeof(out));
  }
  DORABOOTH_INLINE static void store(const Floats& value, BFloat16* to) {
    Words bits;
    std::memcpy(&bits, &value, sizeof(bits));
    const Words rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const Words quiet_nan = (bits >> 16) | 0x40u;
    const Words narrowed = (bits & 0x7fffffffu) > 0x7f800000u ? quiet_nan : rounded;
    *reinterpret_cast<Halves*>(to) = __builtin_convertvector(narrowed, Halves);
  }

  // 1 / (1 + exp(-x)): exp(-x) = 2^n · p(r), |r| <= ln(2)/2, p the Taylor polynomial of degree 6
  // (relative error below 2e-7).
  DORABOOTH_INLINE static void sigmoid(const Floats& x, Floats& out) {
    Floats t = -x;
    t = t > 87.0f ? Floats{} + 87.0f : t;
    t = t < -87.0f ? Floats{} - 87.0f : t;
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
    out = 1.0f / (1.0f + p * power);
  }
};

// Numbers in a thread's part: fewer take less time than waking a thread does.
constexpr int64_t kLeastNumbers = 1 << 16;

// The pixels of a picture are worked on in equal pieces, the last one shorter.
struct Pieces {
  explicit Pieces(int64_t pixels)
      : length(std::max(kRun, (pixels + kMostPieces - 1) / kMostPieces)),
        count((pixels + length - 1) / length) {}
  int64_t length;
  int64_t count;
};

// Per-channel sums of one piece.
struct Sums {
  double* first;   // Σx or Σdz
  double* second;  // Σx² or Σdz·(x - mean)
};

// `pivot` [channels] is any row of the same picture.
template <typename Width, typename Element>
DORABOOTH_INLINE void forward_sums(const Element* x, int64_t pixels, int64_t channels,
                                   const Element* pivot, const Sums& sums) {
  for (int64_t c = 0; c < channels; c += Width::kLanes) {
    typename Width::Floats origin;
    Lanes<Width>::load(pivot + c, origin);
    for (int64_t start = 0; start < pixels; start += kRun) {
      typename Width::Floats sum{};
      typename Width::Floats square{};
      const int64_t stop = std::min(start + kRun, pixels);
      for (int64_t p = start; p < stop; ++p) {
        typename Width::Floats value;
        Lanes<Width>::load(x + p * channels + c, value);
        value -= origin;
        sum += value;
        square += value * value;
      }
      const auto count = static_cast<double>(stop - start);
      for (int64_t lane = 0; lane < Width::kLanes; ++lane) {
        const auto from = static_cast<double>(origin[lane]);
        const auto difference = static_cast<double>(sum[lane]);
        sums.first[c + lane] += difference + count * from;
        sums.second[c + lane] +=
            static_cast<double>(square[lane]) + from * (2 * difference + count * from);
      }
    }
  }
}

// By channel: z = (x - mean)·scale + bias.
struct Affine {
  const float* mean;
  const float* scale;
  const float* bias;
};

// y = SiLU(z), or z.
template <typename Width, typename Element, bool kSilu>
DORABOOTH_INLINE void forward_values(const Element* x, int64_t pixels, int64_t channels,
                                     const Affine& affine, Element* y) {
  for (int64_t p = 0; p < pixels; ++p) {
    for (int64_t c = 0; c < channels; c += Width::kLanes) {
      typename Width::Floats value, mean, scale, bias;
      Lanes<Width>::load(x + p * channels + c, value);
      Lanes<Width>::load(affine.mean + c, mean);
      Lanes<Width>::load(affine.scale + c, scale);
      Lanes<Width>::load(affine.bias + c, bias);
      typename Width::Floats z = (value - mean) * scale + bias;
      if constexpr (kSilu) {
        typename Width::Floats s;
        Lanes<Width>::sigmoid(z, s);
        z *= s;
      }
      Lanes<Width>::store(z, y + p * channels + c);
    }
  }
}

// Sums of dz and dz·(x - mean); with SiLU dz is left in `dz_out`.
template <typename Width, typename Element, bool kSilu>
DORABOOTH_INLINE void backward_sums(const Element* dy, const Element* x, int64_t pixels,
                                    int64_t channels, const Affine& affine, Element* dz_out,
                                    const Sums& sums) {
  for (int64_t c = 0; c < channels; c += Width::kLanes) {
    typename Width::Floats mean, scale, bias;
    Lanes<Width>::load(affine.mean + c, mean);
    Lanes<Width>::load(affine.scale + c, scale);
    Lanes<Width>::load(affine.bias + c, bias);
    for (int64_t start = 0; start < pixels; start += kRun) {
      typename Width::Floats sum{};
      typename Width::Floats product{};
      const int64_t stop = std::min(start + kRun, pixels);
      for (int64_t p = start; p < stop; ++p) {
        typename Width::Floats value, dz;
        Lanes<Width>::load(x + p * channels + c, value);
        Lanes<Width>::load(dy + p * channels + c, dz);
        value -= mean;
        if constexpr (kSilu) {
          const typename Width::Floats z = value * scale + bias;
          typename Width::Floats s;
          Lanes<Width>::sigmoid(z, s);
          dz *= s * (1.0f + z * (1.0f - s));
          Lanes<Width>::store(dz, dz_out + p * channels + c);
        }
        sum += dz;
        product += dz * value;
      }
      for (int64_t lane = 0; lane < Width::kLanes; ++lane) {
        sums.first[c + lane] += static_cast<double>(sum[lane]);
        sums.second[c + lane] += static_cast<double>(product[lane]);
      }
    }
  }
}

// By channel: dx = dz·scale - (x - mean)·of_x - constant.
struct GradientFactors {
  const float* of_x;
  const float* constant;
};

// dz and dx may be the same memory.
template <typename Width, typename Element>
DORABOOTH_INLINE void backward_values(const Element* dz, const Element* x, int64_t pixels,
                                      int64_t channels, const Affine& affine,
                                      const GradientFactors& factors, Element* dx) {
  for (int64_t p = 0; p < pixels; ++p) {
    for (int64_t c = 0; c < channels; c += Width::kLanes) {
      typename Width::Floats gradient, value, mean, scale, of_x, constant;
      Lanes<Width>::load(dz + p * channels + c, gradient);
      Lanes<Width>::load(x + p * channels + c, value);
      Lanes<Width>::load(affine.mean + c, mean);
      Lanes<Width>::load(affine.scale + c, scale);
      Lanes<Width>::load(factors.of_x + c, of_x);
      Lanes<Width>::load(factors.constant + c, constant);
      const typename Width::Floats result = gradient * scale - (value - mean) * of_x - constant;
      Lanes<Width>::store(result, dx + p * channels + c);
    }
  }
}

// A clone per instruction set of every loop, width and element type.
#define DORABOOTH_LOOPS(Element, Width, CLONES, suffix)                                     \
  CLONES void forward_sums_##suffix(const Element* x, int64_t pixels, int64_t channels,     \
                                    const Element* pivot, const Sums& sums) {               \
    forward_sums<Width>(x, pixels, channels, pivot, sums);                                  \
  }                                                                                         \
  CLONES void forward_values_##suffix(const Element* x, int64_t pixels, int64_t channels,   \
                                      const Affine& affine, bool silu, Element* y) {        \
    if (silu) {                                                                             \
      forward_values<Width, Element, true>(x, pixels, channels, affine, y);                 \
    } else {                                                                                \
      forward_values<Width, Element, false>(x, pixels, channels, affine, y);                \
    }                                                                                       \
  }                                                                                         \
  CLONES void backward_sums_##suffix(const Element* dy, const Element* x, int64_t pixels,   \
                                     int64_t channels, const Affine& affine, bool silu,     \
                                     Element* dz, const Sums& sums) {                       \
    if (silu) {                                                                             \
      backward_sums<Width, Element, true>(dy, x, pixels, channels, affine, dz, sums);       \
    } else {                                                                                \
      backward_sums<Width, Element, false>(dy, x, pixels, channels, affine, dz, sums);      \
    }                                                                                       \
  }                                                                                         \
  CLONES void backward_values_##suffix(const Element* dz, const Element* x, int64_t pixels, \
                                       int64_t channels, const Affine& affine,              \
                                       const GradientFactors& factors, Element* dx) {       \
    backward_values<Width>(dz, x, pixels, channels, affine, factors, dx);                   \
  }
DORABOOTH_LOOPS(float, Sixteen, DORABOOTH_CLONES, by_sixteen)
DORABOOTH_LOOPS(BFloat16, Sixteen, DORABOOTH_CLONES, by_sixteen)
DORABOOTH_LOOPS(float, Eight, DORABOOTH_EIGHT_LANES, by_eight)
DORABOOTH_LOOPS(BFloat16, Eight, DORABOOTH_EIGHT_LANES, by_eight)

// The loop of the processor's width, called with `arguments`.
#define DORABOOTH_RUN(loop, ...) \
  (cpu::has_avx512() ? loop##_by_sixteen(__VA_ARGS__) : loop##_by_eight(__VA_ARGS__))

// body(picture, first pixel, pixels, piece number over all pictures) for every piece.
template <typename Body>
void for_pieces(const GroupNormShape& shape, const Body& body) {
  const Pieces pieces(shape.pixels);
  const int64_t grain = kLeastNumbers / (pieces.length * shape.channels) + 1;
  dorabooth::parallel_for(0, shape.batch * pieces.count, grain, [&](int64_t first, int64_t last) {
    for (int64_t piece = first; piece < last; ++piece) {
      const int64_t start = piece % pieces.count * pieces.length;
      body(piece / pieces.count, start, std::min(pieces.length, shape.pixels - start), piece);
    }
  });
}

// Per-channel sums of every picture, added up over its pieces in order.
class ChannelSums {
 public:
  explicit ChannelSums(const GroupNormShape& shape)
      : shape_(shape),
        pieces_(shape.pixels),
        values_(static_cast<size_t>(shape.batch * pieces_.count * 2 * shape.channels)) {}
  Sums of_piece(int64_t piece) {
    double* at = values_.data() + piece * 2 * shape_.channels;
    return {at, at + shape_.channels};
  }
  Sums of_picture(int64_t picture) {
    const int64_t width = 2 * shape_.channels;
    double* total = values_.data() + picture * pieces_.count * width;
    for (int64_t i = width; i < pieces_.count * width; ++i) total[i % width] += total[i];
    return {total, total + shape_.channels};
  }

 private:
  GroupNormShape shape_;
  Pieces pieces_;
  std::vector<double> values_;
};

// The statistics spread over the channels, [batch, channels].
class ChannelAffine {
 public:
  ChannelAffine(const GroupNormShape& shape, const float* weight, const float* bias,
                const float* statistics)
      : channels_(shape.channels),
        bias_(bias),
        mean_(static_cast<size_t>(shape.batch * shape.channels)),
        scale_(mean_.size()) {
    const int64_t width = shape.channels / shape.groups;
    for (int64_t i = 0; i < shape.batch * shape.channels; ++i) {
      const int64_t c = i % shape.channels;
      const float* of_group = statistics + 2 * (i / shape.channels * shape.groups + c / width);
      mean_[static_cast<size_t>(i)] = of_group[0];
      scale_[static_cast<size_t>(i)] = weight[c] * of_group[1];
    }
  }
  Affine of_picture(int64_t picture) const {
    const int64_t row = picture * channels_;
    return {mean_.data() + row, scale_.data() + row, bias_};
  }

 private:
  int64_t channels_;
  const float* bias_;
  std::vector<float> mean_;
  std::vector<float> scale_;
};

}  // namespace

template <typename Element>
void group_norm_forward(const GroupNormShape& shape, const Element* x, const float* weight,
                        const float* bias, Element* y, float* statistics) {
  const int64_t channels = shape.channels;
  const int64_t width = channels / shape.groups;
  const int64_t picture_size = shape.pixels * channels;
  ChannelSums sums(shape);
  for_pieces(shape, [&](int64_t picture, int64_t start, int64_t pixels, int64_t piece) {
    const Element* first = x + picture * picture_size;
    DORABOOTH_RUN(forward_sums, first + start * channels, pixels, channels, first,
                  sums.of_piece(piece));
  });
  const auto count = static_cast<double>(width * shape.pixels);
  for (int64_t n = 0; n < shape.batch; ++n) {
    const Sums total = sums.of_picture(n);
    for (int64_t g = 0; g < shape.groups; ++g) {
      double sum = 0;
      double square = 0;
      for (int64_t c = g * width; c < (g + 1) * width; ++c) {
        sum += total.first[c];
        square += total.second[c];
      }
      const double mean = sum / count;
      // A NaN stays one.
      const double variance = square / count - mean * mean;
      float* out = statistics + 2 * (n * shape.groups + g);
      out[0] = static_cast<float>(mean);
      out[1] = static_cast<float>(1.0 / std::sqrt((variance < 0 ? 0 : variance) + shape.eps));
    }
  }
  const ChannelAffine affine(shape, weight, bias, statistics);
  for_pieces(shape, [&](int64_t picture, int64_t start, int64_t pixels, int64_t) {
    const int64_t at = picture * picture_size + start * channels;
    DORABOOTH_RUN(forward_values, x + at, pixels, channels, affine.of_picture(picture), shape.silu,
                  y + at);
  });
}

template <typename Element>
void group_norm_backward(const GroupNormShape& shape, const Element* dy, const Element* x,
                         const float* weight, const float* bias, const float* statistics,
                         const GroupNormGradients<Element>& gradients) {
  Element* dx = gradients.x;
  const int64_t channels = shape.channels;
  const int64_t width = channels / shape.groups;
  const int64_t picture_size = shape.pixels * channels;
  const ChannelAffine affine(shape, weight, bias, statistics);
  ChannelSums sums(shape);
  for_pieces(shape, [&](int64_t picture, int64_t start, int64_t pixels, int64_t piece) {
    const int64_t at = picture * picture_size + start * channels;
    DORABOOTH_RUN(backward_sums, dy + at, x + at, pixels, channels, affine.of_picture(picture),
                  shape.silu, dx + at, sums.of_piece(piece));
  });
  std::vector<float> of_x(static_cast<size_t>(shape.batch * channels));
  std::vector<float> constant(of_x.size());
  std::vector<double> of_weight(static_cast<size_t>(channels));  // Σ dz·xhat
  std::vector<double> of_bias(of_weight.size());                 // Σ dz
  const auto count = static_cast<double>(width * shape.pixels);
  for (int64_t n = 0; n < shape.batch; ++n) {
    const Sums total = sums.of_picture(n);
    for (int64_t g = 0; g < shape.groups; ++g) {
      const float* of_group = statistics + 2 * (n * shape.groups + g);
      const auto rstd = static_cast<double>(of_group[1]);
      double sum = 0;      // Σ w·dz
      double product = 0;  // Σ w·dz·(x - mean)
      for (int64_t c = g * width; c < (g + 1) * width; ++c) {
        sum += static_cast<double>(weight[c]) * total.first[c];
        product += static_cast<double>(weight[c]) * total.second[c];
        of_weight[static_cast<size_t>(c)] += rstd * total.second[c];
        of_bias[static_cast<size_t>(c)] += total.first[c];
      }
      for (int64_t c = g * width; c < (g + 1) * width; ++c) {
        const auto at = static_cast<size_t>(n * channels + c);
        of_x[at] = static_cast<float>(rstd * rstd * rstd * product / count);
        constant[at] = static_cast<float>(rstd * sum / count);
      }
    }
  }
  for (size_t i = 0; i < of_weight.size(); ++i) {
    if (gradients.weight) gradients.weight[i] = static_cast<float>(of_weight[i]);
    if (gradients.bias) gradients.bias[i] = static_cast<float>(of_bias[i]);
  }
  const Element* dz = shape.silu ? dx : dy;
  for_pieces(shape, [&](int64_t picture, int64_t start, int64_t pixels, int64_t) {
    const int64_t at = picture * picture_size + start * channels;
    const int64_t row = picture * channels;
    const GradientFactors factors{of_x.data() + row, constant.data() + row};
    DORABOOTH_RUN(backward_values, dz + at, x + at, pixels, channels, affine.of_picture(picture),
                  factors, dx + at);
  });
}

template void group_norm_forward(const GroupNormShape&, const float*, const float*, const float*,
                                 float*, float*);
template void group_norm_forward(const GroupNormShape&, const BFloat16*, const float*, const float*,
                                 BFloat16*, float*);
template void group_norm_backward(const GroupNormShape&, const float*, const float*, const float*,
                                  const float*, const float*, const GroupNormGradients<float>&);
template void group_norm_backward(const GroupNormShape&, const BFloat16*, const BFloat16*,
                                  const float*, const float*, const float*,
                                  const GroupNormGradients<BFloat16>&);

}  // namespace dorabooth::nn
