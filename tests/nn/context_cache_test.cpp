// What cross-attention keeps: keys and values through the calls of one picture, products of frozen
// layers through a training run.
#include "src/nn/context_cache.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "src/nn/attention.h"

namespace dorabooth::nn::context_cache_test {
namespace {

constexpr int64_t kChannels = 8;
constexpr int64_t kContextChannels = 6;
constexpr int64_t kContextTokens = 5;
// Of W·x of one of the layers below for one prompt.
constexpr size_t kProductBytes = kContextTokens * kChannels * sizeof(float);

void randomize(torch::nn::Module& module) {
  for (const LayerParameter& parameter : layer_parameters(module)) {
    parameter.layer->assign(parameter.name, at::randn(parameter.value.sizes()));
  }
}

std::shared_ptr<Attention> random_attention() {
  auto attention = std::make_shared<Attention>(
      Attention::Shape{kChannels, kContextChannels, /*heads=*/2, /*input_bias=*/false},
      at::TensorOptions());
  randomize(*attention);
  return attention;
}

at::Tensor random_context(int64_t batch) {
  return at::randn({batch, kContextTokens, kContextChannels});
}

TEST(OutputCache, LaterCallsGiveTheSameBits) {
  const at::NoGradGuard no_grad;
  const auto attention = random_attention();
  const at::Tensor context = random_context(2);
  OutputCache cache;
  for (int call = 0; call < 3; ++call) {
    const at::Tensor x = at::randn({2, 7, kChannels});
    EXPECT_TRUE(at::equal(attention->forward(x, context, &cache), attention->forward(x, context)));
    EXPECT_EQ(cache.bytes(), 2 * 2 * kProductBytes);
  }
}

TEST(OutputCache, AnotherContextIsProjectedAnew) {
  const at::NoGradGuard no_grad;
  const auto attention = random_attention();
  const at::Tensor x = at::randn({2, 7, kChannels});
  OutputCache cache;
  for (int call = 0; call < 2; ++call) {
    const at::Tensor context = random_context(2);
    EXPECT_TRUE(at::equal(attention->forward(x, context, &cache), attention->forward(x, context)));
    EXPECT_EQ(cache.bytes(), 2 * 2 * kProductBytes);
  }
}

TEST(OutputCache, IsLeftAloneWhereGradientsAreRecorded) {
  const auto attention = random_attention();
  OutputCache cache;
  attention->forward(at::randn({2, 7, kChannels}), random_context(2), &cache);
  EXPECT_EQ(cache.bytes(), 0u);
}

TEST(OutputCache, HoldsNoMoreThanItsLimit) {
  const at::NoGradGuard no_grad;
  const auto attention = random_attention();
  OutputCache cache(3 * kProductBytes);
  attention->forward(at::randn({2, 7, kChannels}), random_context(2), &cache);
  EXPECT_EQ(cache.bytes(), 2 * kProductBytes);  // the keys alone
}

class PromptProductsTest : public ::testing::Test {
 protected:
  PromptProductsTest() {
    for (Linear* layer : {&keys_, &values_}) randomize(*layer);
  }

  // Asks for both layers' products and checks them.
  void ask(PromptProducts& products, int64_t prompt) {
    const at::NoGradGuard no_grad;
    const at::Tensor& x = contexts_[static_cast<size_t>(prompt)];
    for (const Linear* layer : {&keys_, &values_}) {
      EXPECT_TRUE(at::equal(products.get(prompt, *layer, x), layer->weight()->matmul(x)));
    }
  }

  Linear keys_{kContextChannels, kChannels, /*bias=*/false, at::TensorOptions()};
  Linear values_{kContextChannels, kChannels, /*bias=*/false, at::TensorOptions()};
  std::vector<at::Tensor> contexts_ = random_context(4).unbind(0);
};

TEST_F(PromptProductsTest, AreMadeOnce) {
  PromptProducts products(size_t{1} << 20);
  ask(products, 0);
  const at::Tensor first = products.get(0, keys_, contexts_[0]);
  EXPECT_TRUE(products.get(0, keys_, contexts_[0]).is_same(first));
  EXPECT_EQ(products.bytes(), 2 * kProductBytes);
}

TEST_F(PromptProductsTest, TheLeastRecentlyAskedForPromptGoesFirst) {
  PromptProducts products(4 * kProductBytes);
  ask(products, 0);
  ask(products, 1);
  const at::Tensor of_0 = products.get(0, keys_, contexts_[0]);
  const at::Tensor of_1 = products.get(1, keys_, contexts_[1]);
  ask(products, 0);
  ask(products, 2);  // in the place of 1
  EXPECT_EQ(products.prompts(), 2u);
  EXPECT_EQ(products.bytes(), 4 * kProductBytes);
  EXPECT_TRUE(products.get(0, keys_, contexts_[0]).is_same(of_0));
  EXPECT_FALSE(products.get(1, keys_, contexts_[1]).is_same(of_1));
}

TEST_F(PromptProductsTest, ABudgetThatIsTooSmallIsKept) {
  for (const size_t most : {size_t{0}, kProductBytes - 1, kProductBytes, 3 * kProductBytes}) {
    PromptProducts products(most);
    for (const int64_t prompt : {0, 1, 2, 0, 3, 3, 1}) {
      ask(products, prompt);
      EXPECT_LE(products.bytes(), most);
    }
  }
}

TEST_F(PromptProductsTest, BitsDependNeitherOnTheBudgetNorOnTheBatch) {
  const std::vector<Linear*> layers = {&keys_, &values_};
  const auto all = std::make_shared<PromptProducts>(size_t{1} << 20);
  const auto none = std::make_shared<PromptProducts>(0);
  const at::Tensor context = at::stack({contexts_[2], contexts_[0], contexts_[2]});
  const std::vector<at::Tensor> want = BatchProducts(none, {2, 0, 2}).project(context, layers);
  for (int call = 0; call < 2; ++call) {
    const std::vector<at::Tensor> have = BatchProducts(all, {2, 0, 2}).project(context, layers);
    for (size_t i = 0; i < layers.size(); ++i) EXPECT_TRUE(at::equal(have[i], want[i]));
  }
  const at::Tensor alone = BatchProducts(all, {0}).project(context.narrow(0, 1, 1), layers)[1];
  EXPECT_TRUE(at::equal(alone, want[1].narrow(0, 1, 1)));
}

TEST_F(PromptProductsTest, AWeightOrContextThatTrainsIsLeftToItsLayer) {
  const auto products = std::make_shared<PromptProducts>(size_t{1} << 20);
  BatchProducts batch(products, {0});
  const at::Tensor context = contexts_[0].unsqueeze(0);
  EXPECT_TRUE(batch.project(context.clone().requires_grad_(), {&keys_})[0].requires_grad());
  keys_.parameters()[0].set_requires_grad(true);
  EXPECT_TRUE(batch.project(context, {&keys_})[0].requires_grad());
  EXPECT_EQ(products->bytes(), 0u);
}

}  // namespace
}  // namespace dorabooth::nn::context_cache_test
