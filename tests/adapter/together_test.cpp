// Layers of one input computed together (query, key and value) against the same layers alone: the
// outputs have the same bits, the narrow products take one launch.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "kernels/emulation/emulated_core.h"
#include "kernels/emulation/simt.h"
#include "src/adapter/set.h"
#include "src/device/adapter_core_choice.h"
#include "src/nn/linear.h"
#include "tests/support/golden_tensors.h"

namespace dorabooth::together_test {
namespace {

using testing::expect_close_to_largest;

constexpr int64_t kIn = 24;

struct Trial {
  std::vector<std::shared_ptr<nn::Linear>> owned;
  std::vector<nn::Linear*> layers;
  LinearLayers named;
  AdapterSet set;
  AttachScope scope;
  at::Tensor x;

  Trial(const std::string& kind, at::ScalarType dtype, double dropout = 0.0) {
    at::manual_seed(3);
    const int64_t widths[] = {40, 24, 56};
    for (int64_t i = 0; i < 3; ++i) {
      owned.push_back(
          std::make_shared<nn::Linear>(kIn, widths[i], /*bias=*/i == 1, at::TensorOptions(dtype)));
      owned.back()->assign("weight", at::randn({widths[i], kIn}).to(dtype));
      if (i == 1) owned.back()->assign("bias", at::randn({widths[i]}).to(dtype));
      layers.push_back(owned.back().get());
      named.emplace_back("unet.layer" + std::to_string(i), layers.back());
    }
    AdapterSpec spec;
    spec.kind = kind;
    spec.rank = 4;
    spec.rank_pattern = {"unet.layer2=7"};
    spec.dropout = dropout;
    spec.target_modules = {"*"};
    set = AdapterSet::create(spec, named, 0, adapter_core(c10::Device(c10::kCPU)));
    {
      const at::NoGradGuard no_grad;
      for (AdapterParameter& parameter : set.parameters()) {
        if (parameter.name.ends_with(".B")) parameter.value.normal_(0, 0.1);
      }
    }
    set.on_parameters_changed();
    set.set_training(true, 0, 0);
    scope = set.attach();
    x = at::randn({2, 9, kIn}).to(dtype).requires_grad_();
  }

  std::vector<at::Tensor> alone() const {
    std::vector<at::Tensor> outputs;
    for (nn::Linear* layer : layers) outputs.push_back(layer->forward(x));
    return outputs;
  }

  // The gradients of x and of every parameter.
  std::vector<at::Tensor> gradients(const std::vector<at::Tensor>& outputs) {
    at::Tensor loss = at::zeros({});
    for (const at::Tensor& y : outputs) loss = loss + y.to(at::kFloat).square().sum();
    loss.backward();
    std::vector<at::Tensor> result = {x.grad().clone()};
    x.mutable_grad().reset();
    for (AdapterParameter& parameter : set.parameters()) {
      result.push_back(parameter.value.grad().clone());
      parameter.value.mutable_grad().reset();
    }
    return result;
  }
};

void expect_same(const std::string& kind, at::ScalarType dtype) {
  SCOPED_TRACE(kind + " " + c10::toString(dtype));
  Trial trial(kind, dtype);
  const auto together = nn::project(trial.x, trial.layers);
  const auto alone = trial.alone();
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(at::equal(together[i], alone[i])) << i;
  const auto gradients = trial.gradients(together);
  const auto expected = trial.gradients(alone);
  ASSERT_EQ(gradients.size(), expected.size());
  // dx is a sum of three in another order, dA of another tile.
  const double bound = dtype == at::kFloat ? 1e-6 : 1e-2;
  for (size_t i = 0; i < gradients.size(); ++i) {
    expect_close_to_largest(gradients[i], expected[i], bound, "gradient " + std::to_string(i));
  }
}

TEST(Together, LayersOfOneInputGiveWhatTheyGiveAlone) {
  for (const char* kind : {"lora", "dora"}) {
    expect_same(kind, at::kFloat);
    expect_same(kind, at::kBFloat16);
  }
}

TEST(Together, TheEmulatedDeviceGivesTheSame) {
  const AdapterCoreScope scope(emulated_core(LaneOrder::kShuffled));
  for (const char* kind : {"lora", "dora"}) expect_same(kind, at::kFloat);
}

TEST(Together, TheNarrowProductsTakeOneLaunch) {
  const AdapterCoreScope scope(emulated_core(LaneOrder::kForward));
  Trial trial("lora", at::kFloat);
  int64_t before = simt::launch_count();
  nn::project(trial.x, trial.layers);
  EXPECT_EQ(simt::launch_count() - before, 1 + 3);  // and one composition each
  before = simt::launch_count();
  trial.alone();
  EXPECT_EQ(simt::launch_count() - before, 3 + 3);
}

TEST(Together, KnownProductsAreTaken) {
  Trial trial("dora", at::kFloat);
  std::vector<nn::Linear*> without_bias = {trial.layers[0], trial.layers[2]};
  std::vector<at::Tensor> products;
  for (nn::Linear* layer : without_bias)
    products.push_back(layer->weight()->matmul(trial.x.detach()));
  const std::vector<at::Tensor> kept = {products[0].clone(), products[1].clone()};
  const auto given = nn::project(trial.x, without_bias, products);
  const auto made = nn::project(trial.x, without_bias);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(at::equal(given[i], made[i]));
    EXPECT_TRUE(at::equal(products[i], kept[i])) << "a product that others use was overwritten";
  }
}

TEST(Together, AnAdapterWithDropoutKeepsItsLayerToItself) {
  Trial trial("dora", at::kFloat, 0.5);
  const auto together = nn::project(trial.x, trial.layers);
  const auto alone = trial.alone();
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(at::equal(together[i], alone[i])) << i;
}

}  // namespace
}  // namespace dorabooth::together_test
