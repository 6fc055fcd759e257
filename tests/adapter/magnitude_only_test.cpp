// Modules that get a magnitude and no update of the direction, beside others that have all three.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "src/device/adapter_core_choice.h"
#include "tests/adapter/base_layers.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::magnitude_only_test {
namespace {

const std::string kBlock = "unet.mid_block.attentions.0.transformer_blocks.0.";

class MagnitudeOnly : public ::testing::Test {
 protected:
  MagnitudeOnly() {
    at::manual_seed(11);
    for (const char* name : {"attn1.to_q", "ff.net.2"}) {
      owned_.push_back(std::make_shared<nn::Linear>(24, 24, true, at::TensorOptions(at::kFloat)));
      owned_.back()->assign("weight", at::randn({24, 24}));
      owned_.back()->assign("bias", at::randn({24}));
      layers_.emplace_back(kBlock + name, owned_.back().get());
    }
    spec_.kind = "dora";
    spec_.rank = 3;
    spec_.alpha = 6;
    spec_.target_modules = {"to_q"};
    spec_.magnitude_only_modules = {"ff.net.2"};
  }

  AdapterSet random_set() {
    AdapterSet set = AdapterSet::create(spec_, layers_, 1, cpu_core());
    const at::NoGradGuard no_grad;
    for (const AdapterParameter& parameter : set.parameters()) parameter.value.normal_();
    set.on_parameters_changed();
    return set;
  }

  std::vector<std::shared_ptr<nn::Linear>> owned_;
  LinearLayers layers_;
  AdapterSpec spec_;
  TemporaryFolder folder_;
};

TEST_F(MagnitudeOnly, TrainsMAloneAndStartsFromTheBaseBits) {
  const at::Tensor x = at::randn({5, 24});
  const at::Tensor base = owned_[1]->forward(x);
  AdapterSet set = AdapterSet::create(spec_, layers_, 1, cpu_core());
  std::vector<std::string> names;
  for (const AdapterParameter& parameter : set.parameters()) names.push_back(parameter.name);
  EXPECT_EQ(names, (std::vector<std::string>{kBlock + "attn1.to_q.A", kBlock + "attn1.to_q.B",
                                             kBlock + "attn1.to_q.m", kBlock + "ff.net.2.m"}));
  const AttachScope scope = set.attach();
  const at::Tensor y = owned_[1]->forward(x);
  EXPECT_TRUE(at::equal(y, base));
  y.sum().backward();
  EXPECT_TRUE(set.parameters()[3].value.grad().defined());
}

TEST_F(MagnitudeOnly, MergesAsItComputes) {
  for (const std::string axis : {"output", "input"}) {
    SCOPED_TRACE(axis);
    spec_.norm_axis = axis;
    AdapterSet set = random_set();
    const at::Tensor x = at::randn({5, 24});
    const AttachScope scope = set.attach();
    for (const auto& [module, layer] : layers_) {
      const at::Tensor merged = set.find(module)->merged_rows(*layer->weight(), 0, 24);
      const at::Tensor want = at::linear(x, merged, layer->bias());
      EXPECT_LT((layer->forward(x) - want).abs().max().item<double>(), 1e-4) << module;
    }
  }
}

TEST_F(MagnitudeOnly, FilesGiveOtherReadersZerosAndUsTheSameModules) {
  const AdapterSet set = random_set();
  for (const bool kohya : {false, true}) {
    SCOPED_TRACE(kohya ? "kohya" : "diffusers");
    const auto path = folder_.path() / (kohya ? "k.safetensors" : "d.safetensors");
    kohya ? write_kohya_adapter(path, spec_, set.tensors(), {})
          : write_diffusers_adapter(path, set, {});
    const SafetensorsFile file(path);
    int64_t pairs = 0;
    for (const TensorEntry& entry : file.entries()) pairs += entry.shape.size() == 2 ? 1 : 0;
    EXPECT_GE(pairs, 4) << "A and B of both modules";
    const AdapterFile read = read_adapter_file(path, layers_);
    EXPECT_EQ(read.spec.magnitude_only_modules, spec_.magnitude_only_modules);
    expect_same_modules(read.modules, set.tensors());
    AdapterSet::from_tensors(read.spec, layers_, read.modules, cpu_core());
  }
}

TEST_F(MagnitudeOnly, AMagnitudeWithoutAAndBIsReadAsOne) {
  const AdapterSet set = random_set();
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [module, own] : set.tensors()) {
    tensors[module + ".lora_magnitude_vector"] = own.m;
    if (own.a.size(0) == 0) continue;
    tensors[module + ".lora.down.weight"] = own.a;
    tensors[module + ".lora.up.weight"] = own.b;
  }
  write_tensor_file(folder_.path() / "bare.safetensors", tensors);
  const AdapterFile read = read_adapter_file(folder_.path() / "bare.safetensors", layers_);
  EXPECT_EQ(read.spec.magnitude_only_modules, std::vector<std::string>{kBlock + "ff.net.2"});
  const AdapterTensors& own = read.modules.at(kBlock + "ff.net.2");
  EXPECT_EQ(own.a.sizes(), (at::IntArrayRef{0, 24}));
  EXPECT_EQ(own.b.sizes(), (at::IntArrayRef{24, 0}));
  EXPECT_TRUE(at::equal(own.m, set.tensors().at(kBlock + "ff.net.2").m));
}

}  // namespace
}  // namespace dorabooth::testing::magnitude_only_test
