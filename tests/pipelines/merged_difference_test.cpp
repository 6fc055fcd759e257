// What is noted of a merge, against its definition, at widths around the vectors' and the pieces'.
#include "pipelines/parts/merged_difference.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace dorabooth::merged_difference_test {
namespace {

constexpr int64_t kRows = 6;

struct Case {
  at::Tensor base, merged, stored, probes, base_products, stored_products, base_norm2;

  Case(int64_t columns, at::ScalarType type) {
    base = at::randn({kRows, columns}).to(type);
    merged = base.to(at::kFloat) + 0.1 * at::randn({kRows, columns});
    stored = at::empty({kRows, columns}, type);
    probes = at::randn({kProbeRows, columns});
    base_products = at::zeros({kProbeRows, kRows});
    stored_products = at::zeros({kProbeRows, kRows});
    base_norm2 = at::zeros({kRows});
  }

  // In two parts, as blocks of rows come.
  MergedDifference difference(ElementType type, bool is_stored) const {
    MergedDifference result;
    for (const auto& [first, last] : {std::pair<int64_t, int64_t>{0, 2}, {2, kRows}}) {
      MergedBlock block;
      block.base = base.slice(0, first, last).const_data_ptr();
      block.base_type = type;
      block.merged = merged.slice(0, first, last).const_data_ptr<float>();
      block.stored = stored.slice(0, first, last).data_ptr();
      block.stored_type = type;
      block.is_stored = is_stored;
      block.rows = last - first;
      block.columns = base.size(1);
      block.probes = probes.const_data_ptr<float>();
      block.base_products = base_products.data_ptr<float>() + first;
      block.stored_products = stored_products.data_ptr<float>() + first;
      block.product_stride = kRows;
      block.base_norm2 = base_norm2.data_ptr<float>() + first;
      result.add(block);
    }
    return result;
  }
};

void expect_products(const at::Tensor& got, const at::Tensor& probes, const at::Tensor& matrix) {
  const at::Tensor want = probes.to(at::kDouble).mm(matrix.to(at::kDouble).t());
  EXPECT_LT((got - want).abs().max().item<double>(), 1e-4);
}

TEST(MergedDifference, IsTheLargestOfEachWhereverItStands) {
  at::manual_seed(7);
  for (const int64_t columns : {1, 15, 16, 17, 1000, 1040, 2051}) {
    for (const int64_t place : {int64_t{0}, columns / 2, columns - 1}) {
      Case c(columns, at::kFloat);
      c.stored.copy_(c.merged + 0.01 * at::randn({kRows, columns}));
      c.merged[4][place] = -9.0f;
      c.stored[4][place] = -9.5f;
      const MergedDifference difference = c.difference(ElementType::kFloat32, /*is_stored=*/true);
      EXPECT_EQ(difference.change, (c.merged - c.base).abs().max().item<float>());
      EXPECT_EQ(difference.rounding, (c.stored - c.merged).abs().max().item<float>());
      EXPECT_EQ(difference.largest, 9.0f);
      const at::Tensor norm2 = c.base.to(at::kDouble).square().sum(1);
      EXPECT_LT(((c.base_norm2 - norm2) / norm2).abs().max().item<double>(), 1e-6);
      expect_products(c.base_products, c.probes, c.base);
      expect_products(c.stored_products, c.probes, c.stored);
    }
  }
}

TEST(MergedDifference, WritesWhatTorchRoundsToAndComparesIt) {
  at::manual_seed(8);
  for (const auto& [type, element] : {std::pair{at::kHalf, ElementType::kFloat16},
                                      {at::kBFloat16, ElementType::kBFloat16},
                                      {at::kFloat, ElementType::kFloat32}}) {
    for (const int64_t columns : {5, 16, 1029}) {
      Case c(columns, type);
      const MergedDifference difference = c.difference(element, /*is_stored=*/false);
      EXPECT_TRUE(at::equal(c.stored, c.merged.to(type)));
      const at::Tensor base = c.base.to(at::kFloat), stored = c.stored.to(at::kFloat);
      EXPECT_EQ(difference.change, (c.merged - base).abs().max().item<float>());
      EXPECT_EQ(difference.rounding, (stored - c.merged).abs().max().item<float>());
      expect_products(c.base_products, c.probes, base);
      expect_products(c.stored_products, c.probes, stored);
    }
  }
}

}  // namespace
}  // namespace dorabooth::merged_difference_test
