// NF4 against its definition: the largest magnitude of a block of 64, the nearest of 16 values, two
// to a byte; and back, from any element on.
#include <algorithm>
#include <cmath>

#include "kernels/nf4_code.h"
#include "tests/kernels/core_harness.h"

namespace dorabooth::testing::nf4_kernels_test {
namespace {

struct Quantized {
  std::vector<uint8_t> packed;
  std::vector<float> absmax;
};

uint32_t nearest(float x) {
  uint32_t best = 0;
  for (uint32_t i = 1; i < kNf4Values; ++i) {
    const auto distance = [&](uint32_t j) {
      return std::fabs(static_cast<double>(nf4_values().at[j]) - static_cast<double>(x));
    };
    if (distance(i) < distance(best)) best = i;
  }
  return best;
}

Quantized defined(const std::vector<float>& x) {
  Quantized result{std::vector<uint8_t>((x.size() + 1) / 2),
                   std::vector<float>((x.size() + 63) / 64)};
  for (size_t i = 0; i < x.size(); ++i) {
    result.absmax[i / 64] = std::max(result.absmax[i / 64], std::fabs(x[i]));
  }
  for (size_t i = 0; i < x.size() + x.size() % 2; ++i) {
    const float absmax = i < x.size() ? result.absmax[i / 64] : 0.0f;
    const uint32_t index = absmax > 0 ? nearest(x[i] / absmax) : nearest(0);
    result.packed[i / 2] |= static_cast<uint8_t>(i % 2 == 0 ? index << 4 : index);
  }
  return result;
}

std::vector<float> weights(ElementType type, size_t count) {
  std::vector<float> x = rounded(type, normal_values("nf4", count, 0.05f));
  if (count > 128) std::fill(x.begin() + 64, x.begin() + 128, 0.0f);
  return x;
}

TEST(Nf4, QuantizesToTheNearestValueOfEachBlock) {
  for (const size_t count : {size_t{1}, size_t{63}, size_t{192}, size_t{4160}, size_t{4101}}) {
    for (const ElementType type : kTypes) {
      const std::vector<float> x = weights(type, count);
      const Quantized want = defined(x);
      for (const Backend& backend : backends()) {
        SCOPED_TRACE(backend.name + ", " + type_name(type) + ", " + std::to_string(count));
        const auto memory = backend.memory();
        Nf4QuantizeArgs args;
        args.on = backend.on;
        args.weight = memory->put_as(type, x);
        args.type = type;
        args.count = static_cast<int64_t>(count);
        args.packed = memory->put(std::vector<uint8_t>(want.packed.size()));
        args.absmax = memory->put(std::vector<float>(want.absmax.size(), -1.0f));
        backend.core->nf4_quantize(args);
        EXPECT_EQ(memory->get(args.packed, want.packed.size()), want.packed);
        EXPECT_EQ(memory->get(args.absmax, want.absmax.size()), want.absmax);
      }
    }
  }
}

struct Part {
  int64_t first;
  int64_t count;
};

TEST(Nf4, DequantizesAnyPartWithOneRounding) {
  const Quantized from = defined(weights(ElementType::kFloat32, 4101));
  for (const ElementType type : kTypes) {
    for (const Part part :
         {Part{0, 4101}, Part{0, 4096}, Part{96, 2080}, Part{65, 130}, Part{3, 1}, Part{5, 0}}) {
      std::vector<float> want;
      for (int64_t i = part.first; i < part.first + part.count; ++i) {
        const uint32_t byte = from.packed[static_cast<size_t>(i / 2)];
        const uint32_t index = i % 2 == 0 ? byte >> 4 : byte & 15u;
        want.push_back(nf4_values().at[index] * from.absmax[static_cast<size_t>(i / 64)]);
      }
      want = rounded(type, want);
      for (const Backend& backend : backends()) {
        SCOPED_TRACE(backend.name + ", " + type_name(type) + ", " + std::to_string(part.first));
        const auto memory = backend.memory();
        Nf4DequantizeArgs args;
        args.on = backend.on;
        args.packed = memory->put(from.packed);
        args.absmax = memory->put(from.absmax);
        args.first = part.first;
        args.count = part.count;
        args.values = memory->put_as(type, std::vector<float>(want.size()));
        args.type = type;
        backend.core->nf4_dequantize(args);
        EXPECT_EQ(memory->get_as(type, args.values, want.size()), want);
      }
    }
  }
}

TEST(Nf4, NestedMagnitudesTakeTheCodeTheGroupsLargestAndTheOffset) {
  constexpr size_t kBlocks = 300;  // more than one group of 256
  const std::vector<float> x = weights(ElementType::kFloat32, kBlocks * 64);
  const Quantized from = defined(x);
  const std::vector<float> code = normal_values("code", 256);
  std::vector<uint8_t> indices;
  for (size_t i = 0; i < kBlocks; ++i) indices.push_back(static_cast<uint8_t>(i * 7));
  const std::vector<float> largest = {0.25f, 0.75f};
  std::vector<float> want;
  for (size_t i = 0; i < x.size(); ++i) {
    const uint32_t byte = from.packed[i / 2];
    volatile float scaled = code[indices[i / 64]] * largest[i / 64 / 256];
    want.push_back(nf4_values().at[i % 2 == 0 ? byte >> 4 : byte & 15u] * (scaled + 0.1f));
  }
  for (const Backend& backend : backends()) {
    SCOPED_TRACE(backend.name);
    const auto memory = backend.memory();
    Nf4DequantizeArgs args;
    args.on = backend.on;
    args.packed = memory->put(from.packed);
    args.absmax_index = memory->put(indices);
    args.nested_absmax = memory->put(largest);
    args.nested_code = memory->put(code);
    args.offset = 0.1f;
    args.count = static_cast<int64_t>(x.size());
    args.values = memory->put(std::vector<float>(x.size()));
    backend.core->nf4_dequantize(args);
    EXPECT_EQ(memory->get(static_cast<const float*>(args.values), x.size()), want);
  }
}

}  // namespace
}  // namespace dorabooth::testing::nf4_kernels_test
