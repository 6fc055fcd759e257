// The both-ways check, dtypes, and the four changes between entry and tensor.
#include "src/model/load.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "src/base/error.h"
#include "src/nn/layer.h"
#include "src/nn/linear.h"
#include "src/ops/deferred_weight.h"
#include "src/ops/tensor_bytes.h"
#include "tests/model/fake_files.h"
#include "tests/support/fixtures.h"

namespace dorabooth::load_test {
namespace {

using testing::message_of;
using testing::Shapes;

class TwoParameters : public nn::Layer {
 public:
  TwoParameters() {
    const auto options = at::TensorOptions().dtype(at::kFloat).device(at::kMeta);
    declare("weight", {4, 2}, options);
    declare("bias", {4}, options);
  }
  at::Tensor parameter(const std::string& name) const { return value(name); }
};

class MatrixAndWindow : public nn::Layer {
 public:
  MatrixAndWindow(at::IntArrayRef matrix, at::IntArrayRef window) {
    const auto options = at::TensorOptions().dtype(at::kFloat).device(at::kMeta);
    declare("matrix", matrix, options);
    declare("window", window, options);
  }
  at::Tensor parameter(const std::string& name) const { return value(name); }
};

class LoadWeights : public ::testing::Test {
 protected:
  Weights weights(const Shapes& tensors) {
    const auto path = folder_.path() / "w.safetensors";
    testing::write_fake_file(path, tensors);
    const auto file = std::make_shared<const SafetensorsFile>(path);
    std::vector<StoredTensor> stored;
    for (const TensorEntry& entry : file->entries()) {
      stored.push_back(make_stored_tensor(file, entry, entry.name, {}));
    }
    return Weights("fake/unet", std::move(stored));
  }
  StoredTensor changed(const std::vector<int64_t>& shape, KeyChange change) {
    const auto path = folder_.path() / "c.safetensors";
    testing::write_fake_file(path, {{"entry", shape}});
    const auto file = std::make_shared<const SafetensorsFile>(path);
    return make_stored_tensor(file, file->at("entry"), "tensor", change);
  }
  testing::TemporaryFolder folder_;
};

TEST_F(LoadWeights, FillsAModelMadeOnTheMetaDevice) {
  TwoParameters model;
  load_weights(model, weights({{"weight", {4, 2}}, {"bias", {4}}}), {});
  EXPECT_TRUE(at::equal(model.parameter("weight"), at::arange(8.0f).view({4, 2})));
  EXPECT_TRUE(at::equal(model.parameter("bias"), at::arange(4.0f)));
}

TEST_F(LoadWeights, UsesTheMappedFileWhereTheDtypeFits) {
  TwoParameters model;
  const Weights source = weights({{"weight", {4, 2}}, {"bias", {4}}});
  load_weights(model, source, {});
  const StoredTensor& stored = source.at("weight");
  EXPECT_EQ(model.parameter("weight").data_ptr(), stored.file->data(*stored.entry));
  load_weights(model, source, {.in_place = false});
  EXPECT_NE(model.parameter("weight").data_ptr(), stored.file->data(*stored.entry));
}

TEST_F(LoadWeights, ConvertsTheDtype) {
  TwoParameters model;
  load_weights(model, weights({{"weight", {4, 2}}, {"bias", {4}}}), {.dtype = at::kBFloat16});
  EXPECT_EQ(model.parameter("weight").scalar_type(), at::kBFloat16);
  EXPECT_TRUE(at::equal(model.parameter("weight").to(at::kFloat), at::arange(8.0f).view({4, 2})));
}

// Every conversion that a load does, of numbers that rounding changes, in matrices and windows of
// more than one piece; the reference is torch's conversion.
TEST_F(LoadWeights, ConvertsEveryTypeToEveryOtherAsTorchDoes) {
  at::manual_seed(11);
  const at::Tensor matrix = at::randn({700, 1031});
  const at::Tensor window = at::randn({40, 33, 3, 3});
  for (const at::ScalarType from : {at::kFloat, at::kHalf, at::kBFloat16, at::kDouble}) {
    const auto path = folder_.path() / concat("from", static_cast<int>(from), ".safetensors");
    const std::vector<std::pair<std::string, at::Tensor>> all = {{"matrix", matrix.to(from)},
                                                                 {"window", window.to(from)}};
    std::vector<TensorEntry> entries;
    for (const auto& [name, tensor] : all) {
      entries.push_back({name, file_dtype(from), tensor.sizes().vec(), 0, 0});
    }
    SafetensorsWriter writer(path, entries, {});
    for (const auto& [name, tensor] : all) {
      writer.write(name, 0,
                   {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()});
    }
    writer.finish();
    const auto file = std::make_shared<const SafetensorsFile>(path);
    std::vector<StoredTensor> stored;
    for (const TensorEntry& entry : file->entries()) {
      stored.push_back(make_stored_tensor(file, entry, entry.name, {}));
    }
    const Weights weights("fake/unet", stored);
    for (const at::ScalarType to : {at::kFloat, at::kHalf, at::kBFloat16}) {
      MatrixAndWindow model(matrix.sizes(), window.sizes());
      load_weights(model, weights, {.dtype = to, .in_place = false});
      for (const auto& [name, tensor] : all) {
        EXPECT_TRUE(at::equal(model.parameter(name), tensor.to(to)))
            << name << " from " << c10::toString(from) << " to " << c10::toString(to);
        EXPECT_TRUE(at::equal(weights.copy(name, to, at::kCPU), tensor.to(to)));
      }
    }
  }
}

TEST_F(LoadWeights, MatricesOfLinearLayersAreConvertedWhereTheyAreUsed) {
  const Weights source = weights({{"weight", {4, 2}}, {"bias", {4}}});
  nn::Linear linear(2, 4, /*bias=*/true, at::TensorOptions().device(at::kMeta));
  load_weights(linear, source, {.dtype = at::kBFloat16});
  const auto* deferred = dynamic_cast<const DeferredWeight*>(linear.weight().get());
  ASSERT_NE(deferred, nullptr);
  EXPECT_TRUE(linear.parameters()[0].is_meta());
  const at::Tensor want = at::arange(8.0f).view({4, 2});
  const at::Tensor x = at::tensor({1.0f, 2.0f}).to(at::kBFloat16).view({1, 2});
  const at::Tensor y = at::tensor({2.0f, 9.0f, 16.0f, 23.0f}).view({1, 4});
  for (int use = 0; use < 3; ++use) {
    EXPECT_EQ(deferred->is_kept(), use > 1);
    EXPECT_TRUE(at::equal(linear.forward(x).to(at::kFloat), y));
  }
  // What asks for the parameters gets them, and the layer goes on with those.
  const auto parameters = nn::layer_parameters(linear);
  EXPECT_TRUE(at::equal(parameters[0].value.to(at::kFloat), want));
  EXPECT_EQ(dynamic_cast<const DeferredWeight*>(linear.weight().get()), nullptr);
  EXPECT_TRUE(at::equal(linear.forward(x).to(at::kFloat), y));

  load_weights(linear, source, {.dtype = at::kBFloat16, .in_place = false});
  EXPECT_FALSE(linear.parameters()[0].is_meta());
  EXPECT_TRUE(at::equal(linear.forward(x).to(at::kFloat), y));
}

TEST_F(LoadWeights, APartOfAFusedEntryIsDeferredToo) {
  for (const KeyChange change : {KeyChange{KeyChange::kRows, 2}, KeyChange{KeyChange::kNone, 0},
                                 KeyChange{KeyChange::kTranspose, 0}}) {
    StoredTensor stored = changed({6, 2}, change);
    stored.name = "weight";
    const Weights source("fake", {stored});
    nn::Linear linear(stored.shape[1], stored.shape[0], /*bias=*/false,
                      at::TensorOptions().device(at::kMeta));
    load_weights(linear, source, {.dtype = at::kHalf});
    const at::Tensor want = source.copy("weight", at::kFloat, at::kCPU);
    EXPECT_TRUE(at::equal(linear.weight()->rows(1, 2), want.slice(0, 1, 2)));
    EXPECT_TRUE(at::equal(linear.weight()->rows(0, want.size(0)), want));
  }
}

TEST_F(LoadWeights, LoadedTensorsHaveVersionsOfTheirOwn) {
  TwoParameters model;
  load_weights(model, weights({{"weight", {4, 2}}, {"bias", {4}}}), {.dtype = at::kBFloat16});
  const auto before = model.parameter("bias")._version();
  model.parameter("weight").fill_(1);
  EXPECT_EQ(model.parameter("bias")._version(), before);
  EXPECT_TRUE(at::equal(model.parameter("bias").to(at::kFloat), at::arange(4.0f)));
}

TEST_F(LoadWeights, NamesMissingLeftOverAndMisShapedTensors) {
  TwoParameters model;
  const std::string message = message_of([&] {
    load_weights(model, weights({{"weight", {2, 4}}, {"scale", {4}}}), {});
  });
  EXPECT_EQ(message,
            "fake/unet does not fit its config; 1 missing: bias; 1 left over: scale; 1 mis-shaped: "
            "weight (want [4,2], got [2,4])");
}

TEST_F(LoadWeights, AppliesTheChangesOfASingleFile) {
  const auto both_ways = [](StoredTensor stored) {
    const Weights source("fake", {std::move(stored)});
    const at::Tensor mapped = source.tensor("tensor");
    EXPECT_TRUE(at::equal(mapped, source.copy("tensor", at::kFloat, at::kCPU)));
    EXPECT_EQ(mapped.sizes(), at::IntArrayRef(source.at("tensor").shape));
    return mapped;
  };
  EXPECT_TRUE(at::equal(both_ways(changed({2, 3}, {KeyChange::kTranspose, 0})),
                        at::arange(6.0f).view({2, 3}).t()));
  EXPECT_TRUE(at::equal(both_ways(changed({2, 2, 1, 1}, {KeyChange::kReshape, 0})),
                        at::arange(4.0f).view({2, 2})));
  EXPECT_TRUE(at::equal(both_ways(changed({6, 2}, {KeyChange::kRows, 1})),
                        at::arange(12.0f).view({6, 2}).narrow(0, 2, 2)));
}

TEST_F(LoadWeights, RefusesEntriesThatCannotBeChanged) {
  EXPECT_NE(message_of([&] {
              changed({4, 2}, {KeyChange::kRows, 0});
            }).find("three equal parts"),
            std::string::npos);
  EXPECT_NE(message_of([&] {
              changed({2, 2, 3, 3}, {KeyChange::kReshape, 0});
            }).find("[C,C,1,1]"),
            std::string::npos);
}

}  // namespace
}  // namespace dorabooth::load_test
