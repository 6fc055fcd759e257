// VeRA and DVoRA: shared projections, start, and the files they are written to.
#include "src/adapter/vera.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/device/adapter_core_choice.h"
#include "tests/adapter/base_layers.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::vera_test {
namespace {

class Vera : public ::testing::Test {
 protected:
  Vera() {
    at::manual_seed(13);
    add("unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q", 24, 16);
    add("unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k", 16, 40);
    add("text_encoder.text_model.encoder.layers.0.self_attn.q_proj", 12, 20);
    spec_.kind = "vera";
    spec_.rank = 5;
    spec_.projection_prng_key = 7;
    spec_.target_modules = {"to_q", "to_k", "q_proj"};
  }

  void add(const std::string& name, int64_t out, int64_t in) {
    owned_.push_back(std::make_shared<nn::Linear>(in, out, false, at::TensorOptions(at::kFloat)));
    owned_.back()->assign("weight", at::randn({out, in}));
    layers_.emplace_back(name, owned_.back().get());
  }

  AdapterSet random_set() {
    AdapterSet set = AdapterSet::create(spec_, layers_, 1, cpu_core());
    const at::NoGradGuard no_grad;
    for (const AdapterParameter& parameter : set.parameters()) parameter.value.normal_();
    set.on_parameters_changed();
    return set;
  }

  // Largest difference between the outputs of two sets on every layer.
  double difference(AdapterSet& set, AdapterSet& other) {
    double largest = 0;
    for (const auto& [name, layer] : layers_) {
      const at::Tensor x = at::randn({3, layer->in_features()});
      AttachScope scope = set.attach();
      const at::Tensor y = layer->forward(x);
      scope = AttachScope();
      scope = other.attach();
      const at::Tensor off = (layer->forward(x) - y).abs().max() / y.abs().max();
      largest = std::max(largest, off.item<double>());
    }
    return largest;
  }

  std::vector<std::shared_ptr<nn::Linear>> owned_;
  LinearLayers layers_;
  AdapterSpec spec_;
  TemporaryFolder folder_;
};

TEST_F(Vera, ModulesOfAComponentShareTheMemoryOfOnePair) {
  const auto tensors = AdapterSet::create(spec_, layers_, 1, cpu_core()).tensors();
  const AdapterTensors& q = tensors.at(layers_[0].first);
  const AdapterTensors& k = tensors.at(layers_[1].first);
  EXPECT_TRUE(q.a.is_alias_of(k.a));
  EXPECT_TRUE(q.b.is_alias_of(k.b));
  EXPECT_TRUE(at::equal(k.a.slice(1, 0, 16), q.a));
  EXPECT_FALSE(tensors.at(layers_[2].first).a.is_alias_of(q.a));
  EXPECT_EQ(q.vera_d.sizes(), (at::IntArrayRef{5}));
  EXPECT_TRUE((q.vera_d == 0.1f).all().item<bool>());
  EXPECT_FALSE(q.vera_b.any().item<bool>());
}

TEST_F(Vera, OnlyTheVectorsTrain) {
  AdapterSet set = random_set();
  ASSERT_EQ(set.parameters().size(), 6u);
  EXPECT_TRUE(set.parameters()[0].name.ends_with(".d"));
  EXPECT_TRUE(set.parameters()[1].name.ends_with(".b"));
  const AttachScope scope = set.attach();
  owned_[0]->forward(at::randn({3, 16})).sum().backward();
  EXPECT_TRUE(set.parameters()[0].value.grad().defined());
  EXPECT_FALSE(set.tensors().at(layers_[0].first).a.requires_grad());
}

TEST_F(Vera, IsWrittenAsTheLoraAndDoraThatItEquals) {
  for (const std::string kind : {"vera", "dvora"}) {
    SCOPED_TRACE(kind);
    spec_.kind = kind;
    if (kind == "dvora") spec_.magnitude_only_modules = {"to_k"};
    AdapterSet set = random_set();
    const auto path = folder_.path() / kind / "pytorch_lora_weights.safetensors";
    std::filesystem::create_directories(path.parent_path());
    write_adapter_file(path, spec_, set.tensors(), {});
    const AdapterFile read = read_adapter_file(path, layers_);
    EXPECT_EQ(read.spec.kind, kind == "vera" ? "lora" : "dora");
    AdapterSet again = AdapterSet::from_tensors(read.spec, layers_, read.modules, cpu_core());
    EXPECT_LT(difference(set, again), 1e-5);
    EXPECT_EQ(std::filesystem::exists(path.parent_path() / "peft"), kind == "vera");
  }
}

TEST_F(Vera, PeftFoldersGiveTheSameNumbersBack) {
  AdapterSet set = random_set();
  write_adapter_file(folder_.path() / "a.safetensors", spec_, set.tensors(), {});
  std::map<std::string, AdapterTensors> both;
  for (const std::string component : {"unet", "text_encoder"}) {
    const AdapterFile read = read_adapter_file(folder_.path() / "peft" / component, layers_);
    EXPECT_EQ(read.spec.kind, "vera");
    const auto file = folder_.path() / "peft" / component / "adapter_model.safetensors";
    expect_same_modules(read_adapter_file(file, layers_).modules, read.modules);
    EXPECT_EQ(read.spec.rank, 5);
    EXPECT_EQ(read.spec.projection_prng_key, 7);
    AdapterSet::from_tensors(read.spec, layers_, read.modules, cpu_core());
    both.insert(read.modules.begin(), read.modules.end());
  }
  expect_same_modules(both, set.tensors());
  for (const auto& [module, own] : set.tensors()) {
    expect_same_bits(both.at(module).vera_d, own.vera_d, module + ".d");
    expect_same_bits(both.at(module).vera_b, own.vera_b, module + ".b");
  }
}

TEST_F(Vera, ADamagedFolderIsRefusedByName) {
  AdapterSet set = random_set();
  const std::string stem = "base_model.model.mid_block.attentions.0.transformer_blocks.0.";
  std::filesystem::create_directories(folder_.path() / "unet");
  write_file_atomically(folder_.path() / "unet/adapter_config.json",
                        R"({"peft_type": "VERA", "r": 5})");
  const auto message_with = [&](const std::map<std::string, at::Tensor>& tensors) {
    write_tensor_file(folder_.path() / "unet/adapter_model.safetensors", tensors);
    return message_of([&] { read_adapter_file(folder_.path() / "unet", layers_); });
  };
  const auto d = stem + "attn1.to_q.vera_lambda_d";
  const auto b = stem + "attn1.to_q.vera_lambda_b";
  EXPECT_EQ(message_with({{d, at::ones({5})}, {b, at::ones({24})}}), "");  // drawn from the key
  EXPECT_NE(message_with({{d, at::ones({5})}}).find("vera_lambda_b"), std::string::npos);
  EXPECT_NE(message_with({{d, at::ones({4})}, {b, at::ones({24})}}).find("[5]"), std::string::npos);
  EXPECT_NE(message_with({{stem + "attn1.to_z.vera_lambda_d", at::ones({5})}}).find("to_z"),
            std::string::npos);
  EXPECT_NE(message_with({{d, at::ones({5})},
                          {b, at::ones({24})},
                          {"base_model.vera_A", at::ones({5, 3})},
                          {"base_model.vera_B", at::ones({24, 5})}})
                .find("vera_A"),
            std::string::npos);
}

TEST(VeraSpec, TakesPeftsDefaultsAndRefusesWhatHasNoMeaning) {
  AdapterSpec defaults;
  defaults.rank = 4;
  defaults.alpha = 8;
  defaults.rank_pattern = {"*mid*=8"};
  const AdapterSpec spec = parse_adapter_spec("vera", defaults);
  EXPECT_EQ(spec.rank, 256);
  EXPECT_EQ(spec.d_initial, 0.1);
  EXPECT_FALSE(spec.alpha.has_value());
  EXPECT_EQ(parse_adapter_spec("dvora:rank=16,projection_prng_key=3", defaults).rank, 16);
  EXPECT_NE(message_of([&] { parse_adapter_spec("vera:alpha=2", defaults); }).find("no alpha"),
            std::string::npos);
}

}  // namespace
}  // namespace dorabooth::testing::vera_test
