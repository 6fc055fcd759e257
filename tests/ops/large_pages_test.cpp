// Tensors in large pages: apart from one another, alive as long as any of a chunk is, and in pages
// that are large where the system has such.
#include "src/ops/large_pages.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

namespace dorabooth::large_pages_test {
namespace {

TEST(LargePages, TensorsKeepTheirNumbersBesideEachOther) {
  std::vector<at::Tensor> tensors;
  {
    LargePages pages;
    for (int64_t i = 0; i < 60; ++i) {
      // Odd sizes, more than one chunk together, and one that is larger than a chunk.
      const int64_t count = i == 30 ? 20'000'000 : 500'003 + i;
      tensors.push_back(pages.empty({count}, i % 2 ? at::kFloat : at::kBFloat16).fill_(i));
      EXPECT_EQ(reinterpret_cast<uintptr_t>(tensors.back().data_ptr()) % 64, 0);
    }
  }
  for (int64_t i = 0; i < 60; ++i) {
    const at::Tensor& tensor = tensors[static_cast<size_t>(i)];
    EXPECT_EQ(tensor.min().item<double>(), static_cast<double>(i));
    EXPECT_EQ(tensor.max().item<double>(), static_cast<double>(i));
  }
}

TEST(LargePages, WhatIsExpectedTakesNoMoreThanThat) {
  LargePages pages;
  for (int i = 0; i < 3; ++i) pages.expect(1000 * sizeof(float));
  std::vector<at::Tensor> tensors;
  for (int64_t i = 0; i < 3; ++i) tensors.push_back(pages.empty({1000}, at::kFloat).fill_(i));
  // One chunk, in which they lie one behind the other.
  const auto at = [&](size_t i) { return reinterpret_cast<uintptr_t>(tensors[i].data_ptr()); };
  EXPECT_EQ(at(1) - at(0), 4032u);
  EXPECT_EQ(at(2) - at(1), 4032u);
  // More than was expected is there all the same.
  tensors.push_back(pages.empty({5000}, at::kFloat).fill_(3));
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(tensors[i].min().item<double>(), static_cast<double>(i));
    EXPECT_EQ(tensors[i].max().item<double>(), static_cast<double>(i));
  }
}

TEST(LargePages, ATensorOfNothingIsNone) {
  LargePages pages;
  EXPECT_EQ(pages.empty({0, 3}, at::kHalf).sizes(), at::IntArrayRef({0, 3}));
}

// kB of this process that lie in large pages.
int64_t large_kb() {
  std::ifstream file("/proc/self/smaps_rollup");
  std::string word;
  while (file >> word) {
    int64_t kb = 0;
    if (word == "AnonHugePages:" && file >> kb) return kb;
  }
  return -1;
}

TEST(LargePages, PagesAreLargeWhereTheSystemHasSuch) {
  std::string modes;
  std::getline(std::ifstream("/sys/kernel/mm/transparent_hugepage/enabled"), modes);
  if (modes.empty() || modes.find("[never]") != modes.npos) GTEST_SKIP() << "no large pages here";
  const int64_t before = large_kb();
  if (before < 0) GTEST_SKIP() << "this kernel does not tell";
  LargePages pages;
  std::vector<at::Tensor> tensors;
  for (int i = 0; i < 8; ++i) {
    tensors.push_back(pages.empty({1280, 1280}, at::kFloat).fill_(1));  // 6.25 MiB
  }
  EXPECT_GE(large_kb() - before, 40 << 10);
}

}  // namespace
}  // namespace dorabooth::large_pages_test
