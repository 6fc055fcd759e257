// Norms of the adapter core against double precision.
#include <cmath>

#include "tests/kernels/core_harness.h"

namespace dorabooth::testing::norms_kernels_test {
namespace {

struct Layer {
  int64_t rows, columns, rank;
  std::vector<float> weight, down, up;

  Layer(int64_t rows_, int64_t columns_, int64_t rank_)
      : rows(rows_),
        columns(columns_),
        rank(rank_),
        weight(normal_values("weight", static_cast<size_t>(rows * columns), 0.05f)),
        down(normal_values("down", static_cast<size_t>(rank * columns), 0.25f)),
        up(normal_values("up", static_cast<size_t>(rows * rank), 0.1f)) {}

  double v(int64_t row, int64_t column, double scale) const {
    double delta = 0;
    for (int64_t k = 0; k < rank; ++k) {
      delta += static_cast<double>(up[static_cast<size_t>(row * rank + k)]) *
               static_cast<double>(down[static_cast<size_t>(k * columns + column)]);
    }
    return static_cast<double>(weight[static_cast<size_t>(row * columns + column)]) + scale * delta;
  }

  // The same in fp32 throughout.
  float plain_v(int64_t row, int64_t column, float scale) const {
    float delta = 0;
    for (int64_t k = 0; k < rank; ++k) {
      delta +=
          up[static_cast<size_t>(row * rank + k)] * down[static_cast<size_t>(k * columns + column)];
    }
    return weight[static_cast<size_t>(row * columns + column)] + scale * delta;
  }
};

struct Norms {
  std::vector<float> square_sums, norm, gain;
};

Norms run_norms(const Backend& backend, const Layer& layer, float scale,
                const std::vector<float>* magnitude, ElementType type = ElementType::kFloat32) {
  const auto memory = backend.memory();
  const auto rows = static_cast<size_t>(layer.rows);
  SquareSumRowsArgs squares;
  squares.on = backend.on;
  squares.weight = memory->put_as(type, layer.weight);
  squares.type = type;
  squares.rows = layer.rows;
  squares.columns = layer.columns;
  squares.square_sums = memory->put(std::vector<float>(rows));
  backend.core->square_sum_rows(squares);
  Norms result;
  result.square_sums = memory->get(squares.square_sums, rows);

  std::vector<float> root(rows);
  for (size_t i = 0; i < rows; ++i) root[i] = std::sqrt(result.square_sums[i]);
  RowNormArgs norms;
  norms.on = backend.on;
  norms.weight = squares.weight;
  norms.type = type;
  norms.down = memory->put(layer.down);
  norms.up = memory->put(layer.up);
  norms.square_sums = squares.square_sums;
  norms.magnitude = memory->put(magnitude != nullptr ? *magnitude : root);
  norms.scale = scale;
  norms.rows = layer.rows;
  norms.columns = layer.columns;
  norms.workspace =
      memory->put(std::vector<float>(static_cast<size_t>(row_norm_workspace(layer.rank))));
  norms.rank = layer.rank;
  norms.norm = memory->put(std::vector<float>(rows));
  norms.gain = memory->put(std::vector<float>(rows));
  backend.core->row_norm(norms);
  result.norm = memory->get(norms.norm, rows);
  result.gain = memory->get(norms.gain, rows);
  return result;
}

TEST(SquareSumRows, EqualsDoublePrecisionInEveryType) {
  for (const int64_t columns : {int64_t{7}, int64_t{64}, int64_t{1288}, int64_t{2051}}) {
    const int64_t rows = 13;
    const auto count = static_cast<size_t>(rows * columns);
    for (const ElementType type : kTypes) {
      const std::vector<float> weight = rounded(type, normal_values("rows", count));
      std::vector<double> exact;
      std::vector<float> naive;
      for (int64_t j = 0; j < rows; ++j) {
        double sum = 0;
        float plain = 0;
        for (int64_t i = 0; i < columns; ++i) {
          const float x = weight[static_cast<size_t>(j * columns + i)];
          sum += static_cast<double>(x) * static_cast<double>(x);
          plain += x * x;
        }
        exact.push_back(sum);
        naive.push_back(plain);
      }
      for (const Backend& backend : backends()) {
        SCOPED_TRACE(backend.name + ", " + type_name(type) + ", " + std::to_string(columns));
        const auto memory = backend.memory();
        SquareSumRowsArgs args;
        args.on = backend.on;
        args.weight = memory->put_as(type, weight);
        args.type = type;
        args.rows = rows;
        args.columns = columns;
        args.square_sums = memory->put(std::vector<float>(static_cast<size_t>(rows)));
        backend.core->square_sum_rows(args);
        const auto actual = memory->get(args.square_sums, static_cast<size_t>(rows));
        expect_within_twice_naive(actual, naive, exact, ElementType::kFloat32);
      }
    }
  }
}

// The norms of W + s·B·A in double, and as the plain expression has them in fp32.
struct Reference {
  std::vector<double> exact;
  std::vector<float> naive;

  Reference(const Layer& layer, float scale) {
    for (int64_t j = 0; j < layer.rows; ++j) {
      double sum = 0;
      float plain = 0;
      for (int64_t i = 0; i < layer.columns; ++i) {
        const double v = layer.v(j, i, static_cast<double>(scale));
        sum += v * v;
        plain += layer.plain_v(j, i, scale) * layer.plain_v(j, i, scale);
      }
      exact.push_back(std::sqrt(sum));
      naive.push_back(std::sqrt(plain));
    }
  }
};

TEST(RowNorm, EqualsTheNormOfTheMaterialisedMatrixInEveryType) {
  const float scale = 1.7f;
  for (const int64_t columns : {int64_t{40}, int64_t{1031}, int64_t{1288}}) {
    for (const int64_t rank : {int64_t{1}, int64_t{4}, int64_t{16}, int64_t{70}}) {
      for (const ElementType type : kTypes) {
        Layer layer(19, columns, rank);
        layer.weight = rounded(type, layer.weight);
        const Reference reference(layer, scale);
        for (const Backend& backend : backends()) {
          SCOPED_TRACE(backend.name + ", " + type_name(type) + ", rank " + std::to_string(rank) +
                       ", columns " + std::to_string(columns));
          const std::vector<float> magnitude(static_cast<size_t>(layer.rows), 2.0f);
          const Norms norms = run_norms(backend, layer, scale, &magnitude, type);
          expect_within_twice_naive(norms.norm, reference.naive, reference.exact,
                                    ElementType::kFloat32);
          for (size_t i = 0; i < norms.norm.size(); ++i) {
            EXPECT_EQ(norms.gain[i], 2.0f / norms.norm[i]);
          }
        }
      }
    }
  }
}

// W = −s·B·A but for a small rest: the factored form alone keeps three digits of these norms.
TEST(RowNorm, KeepsItsDigitsWhereTheUpdateCancelsTheWeight) {
  const float scale = 0.5f;
  Layer layer(16, 300, 6);
  const std::vector<float> rest = normal_values("rest", layer.weight.size(), 1e-4f);
  for (int64_t j = 0; j < layer.rows; ++j) {
    for (int64_t i = 0; i < layer.columns; ++i) {
      const auto at = static_cast<size_t>(j * layer.columns + i);
      layer.weight[at] = 0.0f;
      const double update = layer.v(j, i, static_cast<double>(scale));
      layer.weight[at] = static_cast<float>(static_cast<double>(rest[at]) - update);
    }
  }
  const Reference reference(layer, scale);
  for (const Backend& backend : backends()) {
    SCOPED_TRACE(backend.name);
    const Norms norms = run_norms(backend, layer, scale, nullptr);
    for (size_t i = 0; i < norms.norm.size(); ++i) {
      EXPECT_NEAR(norms.norm[i], reference.exact[i], 1e-4 * reference.exact[i]) << i;
    }
  }
}

TEST(RowNorm, ZeroBGivesTheBaseNormAndGainOneExactly) {
  Layer layer(21, 48, 5);
  std::fill(layer.up.begin(), layer.up.end(), 0.0f);
  for (const Backend& backend : backends()) {
    SCOPED_TRACE(backend.name);
    const Norms norms = run_norms(backend, layer, 1.3f, nullptr);
    for (size_t i = 0; i < norms.norm.size(); ++i) {
      EXPECT_EQ(norms.norm[i], std::sqrt(norms.square_sums[i]));
      EXPECT_EQ(norms.gain[i], 1.0f);
    }
  }
}

TEST(RowNorm, AZeroRowHasGainOne) {
  Layer layer(9, 16, 2);
  std::fill_n(layer.weight.begin(), 16, 0.0f);
  std::fill_n(layer.up.begin(), 2, 0.0f);
  const std::vector<float> magnitude(9, 3.0f);
  for (const Backend& backend : backends()) {
    SCOPED_TRACE(backend.name);
    const Norms norms = run_norms(backend, layer, 1.0f, &magnitude);
    EXPECT_EQ(norms.norm[0], 0.0f);
    EXPECT_EQ(norms.gain[0], 1.0f);
    EXPECT_TRUE(std::isfinite(norms.gain[1]));
  }
}

TEST(ColumnSquareSums, AddUpOverBlocksOfRows) {
  const Layer layer(21, 300, 3);
  const double scale = 0.5;
  for (const Backend& backend : backends()) {
    SCOPED_TRACE(backend.name);
    const auto memory = backend.memory();
    const auto columns = static_cast<size_t>(layer.columns);
    const float* weight = memory->put(layer.weight);
    const float* up = memory->put(layer.up);
    ColumnSquareSumsArgs args;
    args.on = backend.on;
    args.down = memory->put(layer.down);
    args.scale = 0.5f;
    args.columns = layer.columns;
    args.rank = layer.rank;
    args.sums = memory->put(std::vector<double>(columns));
    for (const int64_t first : {int64_t{0}, int64_t{8}}) {
      args.weight = weight + first * layer.columns;
      args.up = up + first * layer.rank;
      args.rows = first == 0 ? 8 : layer.rows - 8;
      backend.core->column_square_sums(args);
    }
    const auto sums = memory->get(args.sums, columns);
    for (int64_t i = 0; i < layer.columns; ++i) {
      double exact = 0;
      for (int64_t j = 0; j < layer.rows; ++j) exact += std::pow(layer.v(j, i, scale), 2);
      ASSERT_NEAR(sums[static_cast<size_t>(i)], exact, 1e-6 * exact) << i;
    }
  }
}

}  // namespace
}  // namespace dorabooth::testing::norms_kernels_test
