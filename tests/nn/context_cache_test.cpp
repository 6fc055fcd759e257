// Keys and values kept through the calls of one picture.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "src/nn/attention.h"

namespace dorabooth::nn {
namespace {

constexpr int64_t kChannels = 8;
constexpr int64_t kContextChannels = 6;

std::shared_ptr<Attention> random_attention() {
  auto attention = std::make_shared<Attention>(
      Attention::Shape{kChannels, kContextChannels, /*heads=*/2, /*input_bias=*/false},
      at::TensorOptions());
  for (const LayerParameter& parameter : layer_parameters(*attention)) {
    parameter.layer->assign(parameter.name, at::randn(parameter.value.sizes()));
  }
  return attention;
}

TEST(ContextCache, LaterCallsGiveTheSameBits) {
  const at::NoGradGuard no_grad;
  const auto attention = random_attention();
  const at::Tensor context = at::randn({2, 5, kContextChannels});
  ContextCache cache;
  for (int call = 0; call < 3; ++call) {
    const at::Tensor x = at::randn({2, 7, kChannels});
    cache.use(context);
    EXPECT_TRUE(at::equal(attention->forward(x, context, &cache), attention->forward(x, context)));
  }
}

TEST(ContextCache, AnotherContextIsProjectedAnew) {
  const at::NoGradGuard no_grad;
  const auto attention = random_attention();
  const at::Tensor x = at::randn({2, 7, kChannels});
  ContextCache cache;
  for (int call = 0; call < 2; ++call) {
    const at::Tensor context = at::randn({2, 5, kContextChannels});
    cache.use(context);
    EXPECT_EQ(cache.find(attention.get()), nullptr);
    EXPECT_TRUE(at::equal(attention->forward(x, context, &cache), attention->forward(x, context)));
    EXPECT_NE(cache.find(attention.get()), nullptr);
  }
}

TEST(ContextCache, IsLeftAloneWhereGradientsAreRecorded) {
  const auto attention = random_attention();
  const at::Tensor context = at::randn({2, 5, kContextChannels});
  ContextCache cache;
  cache.use(context);
  attention->forward(at::randn({2, 7, kChannels}), context, &cache);
  EXPECT_EQ(cache.find(attention.get()), nullptr);
}

TEST(ContextCache, HoldsNoMoreThanItsLimit) {
  ContextCache cache;
  cache.use(at::zeros({1}));
  const at::Tensor large = at::empty({static_cast<int64_t>(ContextCache::kMostBytes) / 4 + 1});
  const auto attention = random_attention();
  cache.keep(attention.get(), {large});
  EXPECT_EQ(cache.find(attention.get()), nullptr);
}

}  // namespace
}  // namespace dorabooth::nn
