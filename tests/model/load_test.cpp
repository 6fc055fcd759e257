// The both-ways check, dtypes, and the four changes between entry and tensor.
#include "src/model/load.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "src/base/error.h"
#include "src/nn/layer.h"
#include "src/ops/tensor_bytes.h"
#include "tests/model/fake_files.h"
#include "tests/support/fixtures.h"

namespace dorabooth {
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
}  // namespace dorabooth
