// Fills a model from a golden weights file, and a small low-rank adapter for tests of the models.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "src/nn/layer.h"
#include "src/nn/linear_layers.h"
#include "src/ops/frozen_linear.h"
#include "tests/support/golden_tensors.h"

namespace dorabooth::testing {

// Every key must be there on both sides.
inline void load_golden_weights(torch::nn::Module& model, const std::string& fixture,
                                at::ScalarType dtype = at::kFloat) {
  const GoldenFile file(fixture);
  std::vector<std::string> in_model;
  std::vector<std::string> in_file;
  for (const auto& [name, value] : file.all()) in_file.push_back(name);
  for (const nn::LayerParameter& parameter : nn::layer_parameters(model)) {
    in_model.push_back(parameter.full_name);
    if (file.contains(parameter.full_name)) {
      parameter.layer->assign(parameter.name, file.at(parameter.full_name).to(dtype));
    }
  }
  std::sort(in_model.begin(), in_model.end());
  std::sort(in_file.begin(), in_file.end());
  EXPECT_EQ(in_model, in_file) << fixture;
}

// y = Wx + b + B(Ax), with A and B trainable and B not zero.
class LowRankAdapter : public nn::LinearAdapter {
 public:
  explicit LowRankAdapter(const nn::Linear& linear, int64_t rank = 2) {
    const auto options = linear.weight()->rows(0, 1).options();
    a_ = (0.1 * at::randn({rank, linear.in_features()}, options)).set_requires_grad(true);
    b_ = (0.1 * at::randn({linear.out_features(), rank}, options)).set_requires_grad(true);
  }
  at::Tensor forward(const at::Tensor& x, const std::shared_ptr<const FrozenWeight>& weight,
                     const at::Tensor& bias, const at::Tensor& product) override {
    const at::Tensor base = product.defined() ? product : frozen_linear(x, weight, bias);
    return base + at::linear(at::linear(x, a_.to(x.scalar_type())), b_.to(x.scalar_type()));
  }
  at::Tensor merged_rows(const FrozenWeight& weight, int64_t first, int64_t last) override {
    return weight.rows(first, last) + b_.slice(0, first, last).mm(a_);
  }
  std::vector<std::pair<std::string, at::Tensor>> parameters() override {
    return {{"A", a_}, {"B", b_}};
  }
  void on_parameters_changed() override {}

 private:
  at::Tensor a_;
  at::Tensor b_;
};

// One adapter on every linear layer whose name `wanted` accepts; detached at the end of the scope.
class AttachedAdapters {
 public:
  template <typename Wanted>
  AttachedAdapters(torch::nn::Module& model, Wanted&& wanted) {
    for (const auto& [name, linear] : nn::linear_layers(model)) {
      if (!wanted(name)) continue;
      adapters_.push_back({name, linear, std::make_unique<LowRankAdapter>(*linear)});
      linear->attach(adapters_.back().adapter.get());
    }
  }
  ~AttachedAdapters() {
    for (const auto& attached : adapters_) attached.linear->detach(attached.adapter.get());
  }
  AttachedAdapters(const AttachedAdapters&) = delete;
  AttachedAdapters& operator=(const AttachedAdapters&) = delete;

  size_t size() const { return adapters_.size(); }
  // Every adapter's gradients by name; they are cleared.
  std::vector<std::pair<std::string, at::Tensor>> take_gradients() {
    std::vector<std::pair<std::string, at::Tensor>> result;
    for (const auto& attached : adapters_) {
      for (auto& [name, parameter] : attached.adapter->parameters()) {
        result.emplace_back(attached.name + "." + name, parameter.grad());
        parameter.mutable_grad() = at::Tensor();
      }
    }
    return result;
  }

 private:
  struct Attached {
    std::string name;
    nn::Linear* linear;
    std::unique_ptr<LowRankAdapter> adapter;
  };
  std::vector<Attached> adapters_;
};

// Every gradient is there, not zero, and the same in both lists.
inline void expect_same_gradients(const std::vector<std::pair<std::string, at::Tensor>>& actual,
                                  const std::vector<std::pair<std::string, at::Tensor>>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_TRUE(expected[i].second.defined()) << expected[i].first;
    EXPECT_GT(expected[i].second.abs().max().item<double>(), 0.0) << expected[i].first;
    expect_close_to_largest(actual[i].second, expected[i].second, 1e-5, actual[i].first);
  }
}

}  // namespace dorabooth::testing
