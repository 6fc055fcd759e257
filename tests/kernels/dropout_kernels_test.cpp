// The dropout mask against the random stream's own uniform draws.
#include "src/base/random_stream.h"
#include "tests/kernels/core_harness.h"

namespace dorabooth::testing::dropout_kernels_test {
namespace {

TEST(DropoutMask, APartOfADrawIsThatPartOfTheWhole) {
  constexpr size_t kCount = 4099;
  const RandomStream stream(11, "dropout");
  for (const Backend& backend : backends()) {
    const auto memory = backend.memory();
    const auto draw = [&](int64_t first, size_t count) {
      DropoutMaskArgs args;
      args.on = backend.on;
      args.key = stream.key();
      args.step = 3;
      args.probability = 0.3f;
      args.first = first;
      args.count = static_cast<int64_t>(count);
      args.mask = memory->put_as(ElementType::kFloat32, std::vector<float>(count, -1.0f));
      backend.core->dropout_mask(args);
      return memory->get_as(ElementType::kFloat32, args.mask, count);
    };
    const auto whole = draw(0, kCount);
    for (const size_t first : {size_t{4}, size_t{1024}, size_t{4096}}) {
      const auto part = draw(static_cast<int64_t>(first), kCount - first);
      for (size_t i = 0; i < part.size(); ++i) {
        ASSERT_EQ(part[i], whole[first + i]) << backend.name << ", " << first << " + " << i;
      }
    }
  }
}

TEST(DropoutMask, IsTheStreamsUniformDrawInEveryType) {
  const RandomStream stream(11, "dropout");
  for (const size_t count : {size_t{1}, size_t{6}, size_t{4099}}) {
    std::vector<float> uniform(count);
    stream.uniform(3, 5, uniform);
    for (const ElementType type : kTypes) {
      std::vector<float> expected(count);
      for (size_t i = 0; i < count; ++i) expected[i] = uniform[i] < 0.3f ? 0.0f : 1.0f / 0.7f;
      expected = rounded(type, expected);
      for (const Backend& backend : backends()) {
        SCOPED_TRACE(backend.name + ", " + type_name(type) + ", " + std::to_string(count));
        const auto memory = backend.memory();
        DropoutMaskArgs args;
        args.on = backend.on;
        args.key = stream.key();
        args.step = 3;
        args.index = 5;
        args.probability = 0.3f;
        args.count = static_cast<int64_t>(count);
        args.mask = memory->put_as(type, std::vector<float>(count, -1.0f));
        args.type = type;
        backend.core->dropout_mask(args);
        const auto mask = memory->get_as(type, args.mask, count);
        for (size_t i = 0; i < count; ++i) {
          // 1 − p is rounded to float first, so 1/(1−p) may differ in its last bit from 1/0.7.
          ASSERT_NEAR(mask[i], expected[i], 2e-7f) << i;
        }
      }
    }
  }
}

}  // namespace
}  // namespace dorabooth::testing::dropout_kernels_test
