// CPU twin of the merge: V = W + s·B·A row by row, its DoRA direction and magnitude, one rounding.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cpu/vector.h"

namespace dorabooth::cpu {

namespace {

DORABOOTH_CLONES void scale_row(float* values, float gain, int64_t n) {
  for (int64_t i = 0; i < n; ++i) values[i] *= gain;
}

DORABOOTH_CLONES void scale_columns(float* values, const float* magnitude, const float* norms,
                                    float epsilon, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const float gain = norms[i] == 0.0f ? 1.0f : magnitude[i] / (norms[i] + epsilon);
    values[i] *= gain;
  }
}

DORABOOTH_CLONES void blend_row(const float* base, float blend, float* values, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) values[i] = base[i] + blend * (values[i] - base[i]);
}

// Asks for the group of rows after this one: they come from the memory while this one is worked on.
void prefetch_rows(const MergeRowsArgs& args, int64_t first, int64_t last) {
  constexpr int64_t kLine = 64;
  const int64_t size = element_size(args.type);
  const auto* bytes = static_cast<const char*>(args.weight) + first * args.columns * size;
  const int64_t count = (std::min(last, args.rows) - first) * args.columns * size;
  for (int64_t i = 0; i < count; i += kLine) __builtin_prefetch(bytes + i, 0, 2);
}

void finish_row(const MergeRowsArgs& args, int64_t row, float* values) {
  const int64_t at = row * args.columns;
  if (args.axis == MagnitudeAxis::kOutput) {
    const float norm = std::sqrt(static_cast<float>(square_sum(values, args.columns)));
    if (norm != 0.0f) {
      scale_row(values, args.magnitude[row] / (norm + args.epsilon), args.columns);
    }
  } else if (args.axis == MagnitudeAxis::kInput) {
    scale_columns(values, args.magnitude, args.column_norms, args.epsilon, args.columns);
  }
  float buffer[kChunk];
  for (int64_t c = 0; c < args.columns; c += kChunk) {
    const int64_t n = std::min(kChunk, args.columns - c);
    if (args.blend != 1.0f) {
      blend_row(load(args.type, args.weight, at + c, n, buffer), args.blend, values + c, n);
    }
    store(args.merged_type, values + c, args.merged, at + c, n);
  }
}

}  // namespace

void merge_rows(const MergeRowsArgs& args) {
  const int64_t groups = (args.rows + 3) / 4;
  const int64_t work = 4 * args.columns * (args.rank + 4);
  parallel_for(args.on, groups, rows_of_work(work), [&](int64_t first, int64_t last) {
    // A blend needs the base's row, which may be where the result goes.
    const bool in_place = args.merged_type == ElementType::kFloat32 && args.blend == 1.0f;
    std::vector<float> buffer(static_cast<size_t>(in_place ? 0 : 4 * args.columns));
    for (int64_t group = first; group < last; ++group) {
      const int64_t row = 4 * group;
      float* const begin =
          in_place ? static_cast<float*>(args.merged) + row * args.columns : buffer.data();
      float* rows[4];
      for (int64_t i = 0; i < 4; ++i) rows[i] = begin + i * args.columns;
      const int64_t count = std::min<int64_t>(4, args.rows - row);
      for (int64_t i = 0; i < count; ++i) {
        copy(args.type, args.weight, (row + i) * args.columns, args.columns, rows[i]);
      }
      prefetch_rows(args, row + 4, row + 8);
      if (args.rank > 0) {
        add_low_rank(rows, count, args.columns, args.up + row * args.rank, args.rank, args.rank,
                     args.down, args.columns, args.scale);
      }
      for (int64_t i = 0; i < count; ++i) finish_row(args, row + i, rows[i]);
    }
  });
}

}  // namespace dorabooth::cpu
