// Adapters out of trained models and out of other adapters: exact where the rank suffices, the
// nearest where it does not.
#include "pipelines/extract.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "pipelines/merge.h"
#include "pipelines/parts/adapter_weights.h"
#include "pipelines/parts/checkpoint_layers.h"
#include "src/base/error.h"
#include "tests/pipelines/example_base.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::extract_test {
namespace {

namespace fs = std::filesystem;

class Extract : public ::testing::Test {
 protected:
  // The base with a DoRA of rank 2 merged in fp32: the "trained model".
  std::string trained_model(const std::string& kind) {
    adapter_ = write_random_adapter(folder_.path() / "adapter.safetensors", kind, false, 3);
    MergeRequest merging;
    merging.pretrained_model_name_or_path = base_path();
    merging.adapter_path = {adapter_};
    merging.dtype = "fp32";
    merging.output_dir = (folder_.path() / "trained").string();
    merge(merging, silent_, {});
    return *merging.output_dir;
  }

  ExtractRequest request(const std::string& kind, int64_t rank) {
    ExtractRequest request;
    request.pretrained_model_name_or_path = base_path();
    request.checkpoint = (folder_.path() / "trained").string();
    request.adapter = kind;
    request.rank = rank;
    request.output = (folder_.path() / "extracted.safetensors").string();
    return request;
  }

  TemporaryFolder folder_;
  Recorder silent_;
  std::string adapter_;
};

TEST_F(Extract, AMergedLoraIsFoundAgain) {
  trained_model("lora");
  const FitReport report = extract(request("lora", 2), silent_, {});
  EXPECT_LT(report.residual, 1e-4);
  EXPECT_EQ(report.unchanged, 0);
  EXPECT_GT(report.layers.size(), 10u);
}

// m·(W0 + BA)/‖W0 + BA‖ at W0's lengths is W0 + BA with other lengths: of full rank, but near.
TEST_F(Extract, ADoraKeepsEveryMagnitude) {
  const std::string trained = trained_model("dora");
  for (const std::string axis : {"output", "input"}) {
    ExtractRequest wanted = request("dora", 4);
    wanted.dora_norm_axis = axis;
    const FitReport report = extract(wanted, silent_, {});
    EXPECT_EQ(report.kind, "dora");
    const Checkpoint base = Checkpoint::open(base_path());
    const Checkpoint model = Checkpoint::open(trained);
    std::vector<std::unique_ptr<nn::Linear>> shapes;
    const AdapterFile file = read_adapter_file(report.path, checkpoint_layers(base, shapes));
    EXPECT_EQ(file.spec.norm_axis, axis);
    const int64_t along = axis == "output" ? 1 : 0;
    for (const auto& [module, own] : file.modules) {
      const at::Tensor want = base_weight(model, module);
      const at::Tensor got = AdaptedWeight(file, module, base_weight(base, module)).merged();
      EXPECT_TRUE(at::allclose(got.norm(2, {along}), want.norm(2, {along}), 1e-4, 1e-5)) << module;
    }
    wanted.rank = 4096;
    EXPECT_LT(extract(wanted, silent_, {}).residual, 1e-3);
    EXPECT_GT(report.residual, 1e-3);
  }
}

TEST_F(Extract, WhatDidNotChangeIsLeftOut) {
  trained_model("lora");
  ExtractRequest wanted = request("lora", 2);
  wanted.target_modules = {"to_q", "ff.net.2"};
  const FitReport report = extract(wanted, silent_, {});
  EXPECT_GT(report.unchanged, 0);
  for (const FittedLayer& layer : report.layers) EXPECT_TRUE(layer.module.ends_with("to_q"));
  wanted.target_modules = {"ff.net.2"};
  EXPECT_NE(message_of([&] { extract(wanted, silent_, {}); }).find("no layer"), std::string::npos);
  wanted.checkpoint.clear();
  EXPECT_THROW(extract(wanted, silent_, {}), UsageError);
}

TEST_F(Extract, ResizingKeepsMagnitudes) {
  for (const std::string kind : {"lora", "dora"}) {
    const std::string adapter =
        write_random_adapter(folder_.path() / (kind + ".safetensors"), kind, true, 4);
    ResizeRequest wanted;
    wanted.pretrained_model_name_or_path = base_path();
    wanted.adapter_path = adapter;
    wanted.output = (folder_.path() / "resized.safetensors").string();
    wanted.rank = 5;  // B has equal columns: the update's rank is 1
    const FitReport more = resize(wanted, silent_, {});
    EXPECT_LT(more.residual, 1e-3);
    wanted.rank = 1;
    const FitReport one = resize(wanted, silent_, {});
    EXPECT_LT(one.residual, 1e-3);
    EXPECT_EQ(one.layers.front().rank, 1);
    const Checkpoint base = Checkpoint::open(base_path());
    std::vector<std::unique_ptr<nn::Linear>> shapes;
    const LinearLayers layers = checkpoint_layers(base, shapes);
    const AdapterFile before = read_adapter_file(adapter, layers);
    const AdapterFile after = read_adapter_file(one.path, layers);
    ASSERT_EQ(after.modules.size(), before.modules.size());
    for (const auto& [module, own] : before.modules) {
      if (own.m.defined()) {
        EXPECT_TRUE(at::equal(own.m, after.modules.at(module).m)) << module;
      }
    }
    wanted.output = adapter;
    EXPECT_NE(message_of([&] { resize(wanted, silent_, {}); }).find("the adapter itself"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace dorabooth::testing::extract_test
