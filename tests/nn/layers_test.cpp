// The building blocks against their formulas, written out here in plain tensor operations.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "src/nn/attention.h"
#include "src/nn/conv2d.h"
#include "src/nn/embedding.h"
#include "src/nn/feed_forward.h"
#include "src/nn/linear_layers.h"
#include "src/nn/norm.h"
#include "src/nn/resampling.h"
#include "src/nn/resnet.h"
#include "src/nn/temporary.h"
#include "src/nn/timestep_embedding.h"
#include "src/nn/transformer_block.h"
#include "tests/support/fixtures.h"
#include "tests/support/golden_tensors.h"

namespace dorabooth::layers_test {
namespace {

using testing::expect_close;
using testing::message_of;

void randomize(torch::nn::Module& model) {
  for (const nn::LayerParameter& parameter : nn::layer_parameters(model)) {
    parameter.layer->assign(parameter.name, 0.3 * at::randn_like(parameter.value));
  }
}

TEST(Attention, EqualsSoftmaxOfScaledProducts) {
  const int64_t heads = 3;
  const int64_t size = 5;
  const at::Tensor q = at::randn({2, 7, heads * size});
  const at::Tensor k = at::randn({2, 7, heads * size});
  const at::Tensor v = at::randn({2, 7, heads * size});
  for (const bool causal : {false, true}) {
    const at::Tensor y = nn::attend(q, k, v, heads, causal);
    for (int64_t head = 0; head < heads; ++head) {
      const auto part = [&](const at::Tensor& x) { return x.narrow(2, head * size, size); };
      at::Tensor scores = part(q).matmul(part(k).transpose(1, 2)) / std::sqrt(double(size));
      if (causal) {
        scores = scores.masked_fill(at::ones({7, 7}, at::kBool).triu(1), -INFINITY);
      }
      expect_close(part(y), scores.softmax(-1).matmul(part(v)), 1e-5, 1e-5, "head");
    }
  }
}

TEST(Attention, GradientsEqualThoseOfTheFormula) {
  const at::Tensor q = at::randn({1, 6, 8}).set_requires_grad(true);
  const at::Tensor k = at::randn({1, 4, 8}).set_requires_grad(true);
  const at::Tensor v = at::randn({1, 4, 8}).set_requires_grad(true);
  const auto heads = [](const at::Tensor& x) { return x.unflatten(2, {2, 4}).transpose(1, 2); };
  const at::Tensor g = at::randn({1, 6, 8});
  const auto gradients = [&](const at::Tensor& y) {
    for (const at::Tensor* x : {&q, &k, &v}) x->mutable_grad() = at::Tensor();
    (y * g).sum().backward();
    return at::cat({q.grad().flatten(), k.grad().flatten(), v.grad().flatten()});
  };
  const at::Tensor want = heads(q)
                              .matmul(heads(k).transpose(2, 3))
                              .div(2.0)
                              .softmax(-1)
                              .matmul(heads(v))
                              .transpose(1, 2)
                              .flatten(2);
  expect_close(gradients(nn::attend(q, k, v, 2, false)), gradients(want), 1e-5, 1e-5, "dqkv");
}

TEST(Attention, Bfloat16IsCloseToFloat32AtEverySize) {
  for (const int64_t tokens : {5, 600}) {
    const at::Tensor q = at::randn({2, tokens, 8});
    const at::Tensor k = at::randn({2, 500, 8});
    const at::Tensor v = at::randn({2, 500, 8});
    const at::Tensor want = nn::attend(q, k, v, 2, false);
    const at::Tensor have =
        nn::attend(q.to(at::kBFloat16), k.to(at::kBFloat16), v.to(at::kBFloat16), 2, false);
    ASSERT_EQ(have.scalar_type(), at::kBFloat16);
    EXPECT_LT(((have.to(at::kFloat) - want).norm() / want.norm()).item<double>(), 0.02) << tokens;
  }
}

TEST(FeedForward, GegluGradientEqualsThatOfItsFormula) {
  const at::Tensor x = at::randn({2, 3, 8}).set_requires_grad(true);
  const at::Tensor want = x.slice(-1, 0, 4) * at::gelu(x.slice(-1, 4, 8));
  const at::Tensor y = nn::geglu(x);
  EXPECT_TRUE(at::equal(y, want));
  const at::Tensor g = at::randn_like(want);
  (want * g).sum().backward();
  const at::Tensor dx = x.grad().clone();
  x.mutable_grad() = at::Tensor();
  (y * g).sum().backward();
  expect_close(x.grad(), dx, 1e-6, 1e-6, "dx");
}

TEST(Sinusoid, EqualsItsFormula) {
  const at::Tensor values = at::tensor({0.0, 1.0, 37.5, 999.0}, at::kDouble);
  const int64_t features = 10;
  const at::Tensor y = nn::sinusoid(values, features);
  ASSERT_EQ(y.scalar_type(), at::kFloat);
  for (int64_t n = 0; n < values.numel(); ++n) {
    for (int64_t i = 0; i < features / 2; ++i) {
      const double angle = values[n].item<double>() *
                           std::exp(-std::log(10000.0) * double(i) / double(features / 2));
      EXPECT_NEAR(y[n][i].item<double>(), std::cos(angle), 1e-4);
      EXPECT_NEAR(y[n][features / 2 + i].item<double>(), std::sin(angle), 1e-4);
    }
  }
}

TEST(Sinusoid, TakesIntegersAndFractions) {
  const at::Tensor whole = nn::sinusoid(at::tensor({501}, at::kLong), 8);
  EXPECT_TRUE(at::equal(whole, nn::sinusoid(at::tensor({501.0f}), 8)));
}

TEST(Resampling, AsymmetricDownsamplePadsBelowAndRight) {
  nn::Downsample down(2, /*symmetric=*/false, at::kFloat);
  randomize(down);
  const at::Tensor x = at::randn({1, 2, 6, 4});
  at::Tensor padded = at::zeros({1, 2, 7, 5});
  padded.slice(2, 0, 6).slice(3, 0, 4).copy_(x);
  const at::Tensor want =
      at::conv2d(padded, down.parameters()[0], down.parameters()[1], /*stride=*/2);
  expect_close(down.forward(x), want, 1e-5, 1e-5, "y");
}

TEST(Resampling, UpsampleTakesTheSizeAsked) {
  nn::Upsample up(2, at::kFloat);
  randomize(up);
  EXPECT_EQ(up.forward(at::randn({1, 2, 3, 4}), 5, 8).sizes(), at::IntArrayRef({1, 2, 5, 8}));
}

TEST(Resnet, CheckpointedEqualsPlain) {
  nn::Resnet resnet(
      {.in_channels = 4, .out_channels = 6, .embedding_features = 5, .norm_groups = 2}, at::kFloat);
  randomize(resnet);
  const at::Tensor x = at::randn({2, 4, 5, 5}).set_requires_grad(true);
  const at::Tensor embedding = at::randn({2, 5}).set_requires_grad(true);
  const auto gradients = [&](const at::Tensor& y) {
    x.mutable_grad() = at::Tensor();
    embedding.mutable_grad() = at::Tensor();
    y.square().sum().backward();
    return at::cat({x.grad().flatten(), embedding.grad().flatten()});
  };
  const at::Tensor want = gradients(resnet.forward(x, embedding));
  expect_close(gradients(resnet.forward_checkpointed(x, embedding)), want, 1e-5, 1e-5, "dx");
}

TEST(Resnet, SameValuesWithAndWithoutAGraph) {
  nn::Resnet resnet(
      {.in_channels = 4, .out_channels = 4, .embedding_features = 5, .norm_groups = 2}, at::kFloat);
  randomize(resnet);
  const at::Tensor x = at::randn({2, 4, 5, 5}).set_requires_grad(true);
  const at::Tensor embedding = at::randn({2, 5});
  const at::Tensor recorded = resnet.forward(x, embedding);
  const at::Tensor before = x.detach().clone();
  const at::NoGradGuard no_grad;
  EXPECT_TRUE(at::equal(resnet.forward(x, embedding), recorded));
  EXPECT_TRUE(at::equal(x, before));
}

TEST(Temporary, ValuesAreTheSameInPlace) {
  const at::Tensor x = at::randn({5});
  const at::Tensor y = at::randn({5}).set_requires_grad(true);
  const at::Tensor sum = nn::add_temporary(x, y * 1);
  const at::Tensor activated = nn::silu_of_temporary(y * 1);
  const at::NoGradGuard no_grad;
  EXPECT_TRUE(at::equal(nn::add_temporary(x, y.clone()), sum));
  EXPECT_TRUE(at::equal(nn::silu_of_temporary(y.clone()), activated));
}

TEST(Embedding, IdsOutsideTheTableAreNamed) {
  nn::Embedding table(5, 3, at::kFloat);
  randomize(table);
  const std::string message = message_of([&] { table.forward(at::tensor({1, 7}, at::kLong)); });
  EXPECT_NE(message.find("id 7 is outside the table of 5 rows"), std::string::npos) << message;
  EXPECT_NE(message_of([&] { table.first_rows(6); }).find("6 positions"), std::string::npos);
}

TEST(Norm, GroupsMustDivideTheChannels) {
  EXPECT_NE(message_of([] { nn::GroupNorm(4, 6, 1e-5, at::kFloat); }).find("6 channels"),
            std::string::npos);
}

TEST(Transformer2d, LinearLayersHaveTheReferenceNames) {
  const nn::TransformerShape shape{
      .channels = 8, .context_channels = 5, .heads = 2, .blocks = 1, .norm_groups = 4};
  nn::Transformer2d transformer(shape, at::TensorOptions().device(at::kMeta));
  std::vector<std::string> names;
  for (const auto& [name, linear] : nn::linear_layers(transformer)) names.push_back(name);
  const std::string block = "transformer_blocks.0.";
  const std::vector<std::string> want = {"proj_in",
                                         block + "attn1.to_q",
                                         block + "attn1.to_k",
                                         block + "attn1.to_v",
                                         block + "attn1.to_out.0",
                                         block + "attn2.to_q",
                                         block + "attn2.to_k",
                                         block + "attn2.to_v",
                                         block + "attn2.to_out.0",
                                         block + "ff.net.0.proj",
                                         block + "ff.net.2",
                                         "proj_out"};
  EXPECT_EQ(names, want);
}

TEST(Transformer2d, ReadsAnyMemoryFormatAlike) {
  const nn::TransformerShape shape{
      .channels = 8, .context_channels = 5, .heads = 2, .blocks = 2, .norm_groups = 4};
  nn::Transformer2d transformer(shape, at::kFloat);
  randomize(transformer);
  const at::Tensor x = at::randn({2, 8, 3, 4});
  const at::Tensor context = at::randn({2, 6, 5});
  const at::Tensor plain = transformer.forward(x, context, false, {});
  const at::Tensor last =
      transformer.forward(x.contiguous(at::MemoryFormat::ChannelsLast), context, false, {});
  expect_close(last, plain, 1e-5, 1e-5, "y");
}

}  // namespace
}  // namespace dorabooth::layers_test
