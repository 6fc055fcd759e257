// The three maxima of a merge, against their definition, at lengths around the vectors'.
#include "pipelines/parts/merged_difference.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace dorabooth {
namespace {

TEST(MergedDifference, IsTheLargestOfEachWhereverItStands) {
  at::manual_seed(7);
  for (const int64_t count : {1, 15, 16, 17, 1000}) {
    for (const int64_t place : {int64_t{0}, count / 2, count - 1}) {
      at::Tensor base = at::randn({count});
      at::Tensor merged = base + 0.1 * at::randn({count});
      at::Tensor stored = merged + 0.01 * at::randn({count});
      merged[place] = -9.0f;
      stored[place] = -9.5f;
      MergedDifference difference;
      // In two parts, as blocks of rows come.
      const int64_t half = count / 2;
      difference.add(base.const_data_ptr<float>(), merged.const_data_ptr<float>(),
                     stored.const_data_ptr<float>(), half);
      difference.add(base.const_data_ptr<float>() + half, merged.const_data_ptr<float>() + half,
                     stored.const_data_ptr<float>() + half, count - half);
      EXPECT_EQ(difference.change, (merged - base).abs().max().item<float>());
      EXPECT_EQ(difference.rounding, (stored - merged).abs().max().item<float>());
      EXPECT_EQ(difference.largest, 9.0f);
    }
  }
}

}  // namespace
}  // namespace dorabooth
