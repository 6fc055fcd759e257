// NF4 against bitsandbytes, and DoRA over it against formulas: fixtures/quant/nf4.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "kernels/emulation/emulated_core.h"
#include "src/adapter/low_rank.h"
#include "src/device/adapter_core_choice.h"
#include "src/quant/nf4.h"
#include "tests/support/fixtures.h"
#include "tests/support/golden_tensors.h"

namespace dorabooth::nf4_golden_test {
namespace {

using testing::expect_close;
using testing::expect_close_to_largest;
using testing::fixture_json;
using testing::GoldenFile;

const GoldenFile& file() {
  static const GoldenFile golden("quant/nf4.safetensors");
  return golden;
}

std::vector<const AdapterCore*> cores() { return {&cpu_core(), &emulated_core()}; }

TEST(Nf4Golden, PackedBytesAndMagnitudesAreBitsandbytes) {
  for (const AdapterCore* core : cores()) {
    const Nf4Tensors own = nf4_quantize(file().at("W"), false, *core);
    EXPECT_TRUE(at::equal(own.packed, file().at("packed").flatten())) << core->name;
    EXPECT_TRUE(at::equal(own.absmax, file().at("absmax"))) << core->name;
    const at::Tensor high = own.packed.bitwise_right_shift(4);
    const at::Tensor low = own.packed.bitwise_and(15);
    const at::Tensor indices = at::stack({high, low}, 1).view_as(file().at("indices"));
    EXPECT_TRUE(at::equal(indices, file().at("indices"))) << core->name;
  }
}

// A magnitude that lies between two codes may go either way: at most 1 % of them, by one index.
TEST(Nf4Golden, DoubleQuantisationIsBitsandbytes) {
  expect_close(nf4_nested_code(), file().at("nested.nested_code"), 0, 1e-6, "code");
  const Nf4Tensors own = nf4_quantize(file().at("W"), true, cpu_core());
  const at::Tensor want = file().at("nested.absmax_q").to(at::kInt);
  const at::Tensor away = (own.absmax_index.to(at::kInt) - want).abs();
  EXPECT_LE(away.max().item<int>(), 1);
  EXPECT_LE(away.sum().item<int64_t>(), away.numel() / 100 + 1);
  expect_close(own.nested_absmax, file().at("nested.nested_absmax"), 1e-7, 1e-6, "nested absmax");
  EXPECT_NEAR(own.offset, file().at("nested.offset").item<float>(), 1e-7);
}

// Over the reference's own bytes.
std::shared_ptr<const Nf4Weight> reference_nested(const AdapterCore& core) {
  Nf4Tensors tensors;
  tensors.packed = file().at("packed").flatten().contiguous();
  tensors.absmax_index = file().at("nested.absmax_q").contiguous();
  tensors.nested_absmax = file().at("nested.nested_absmax").contiguous();
  tensors.nested_code = file().at("nested.nested_code").contiguous();
  tensors.offset = file().at("nested.offset").item<float>();
  const at::Tensor weight = file().at("W");
  return std::make_shared<Nf4Weight>(std::move(tensors), weight.size(0), weight.size(1), at::kFloat,
                                     core);
}

TEST(Nf4Golden, RowsAreTheDequantisedValues) {
  for (const AdapterCore* core : cores()) {
    const Nf4Weight plain(file().at("W"), false, *core);
    expect_close(plain.rows(0, plain.out_features()), file().at("dequant"), 0, 0, "dequant");
    expect_close(plain.rows(5, 9), file().at("dequant").slice(0, 5, 9), 0, 0, "four rows");
    expect_close(reference_nested(*core)->rows(0, plain.out_features()),
                 file().at("nested.dequant"), 1e-7, 0, "nested dequant");
    const Nf4Weight nested(file().at("W"), true, *core);
    const at::Tensor off =
        (nested.rows(0, nested.out_features()) - file().at("nested.dequant")).abs();
    // All but the blocks whose magnitude's index may differ.
    EXPECT_LE((off > 1e-7).sum().item<int64_t>(), off.numel() / 100 + kNf4Block) << core->name;
  }
}

void check_qdora(const std::string& name, const std::shared_ptr<const FrozenWeight>& weight,
                 const AdapterCore& core) {
  SCOPED_TRACE(name + ", " + core.name);
  AdapterTensors tensors;
  tensors.a = file().at("qdora.in.A").clone();
  tensors.b = file().at("qdora.in.B").clone();
  tensors.m = file().at(name + ".m").clone();
  tensors.alpha = fixture_json("quant/nf4.json").at("alpha").get<double>();
  AdapterSpec spec;
  spec.kind = "dora";
  const auto adapter = make_dora(std::move(tensors), spec, 0, core);
  const at::Tensor x = file().at("qdora.in.x").clone().requires_grad_(true);
  const at::Tensor y = adapter->forward(x, weight, file().at("qdora.in.bias"), {});
  expect_close_to_largest(y, file().at(name + ".y"), 1e-5, "y");
  (y * file().at("qdora.in.gy")).sum().backward();
  expect_close_to_largest(x.grad(), file().at(name + ".dx"), 1e-5, "dx");
  for (const auto& [role, value] : adapter->parameters()) {
    expect_close_to_largest(value.grad(), file().at(name + ".d" + role), 1e-5, "d" + role);
  }
}

TEST(Nf4Golden, DoraOverAnNf4BaseEqualsTheReference) {
  for (const AdapterCore* core : cores()) {
    check_qdora("qdora", std::make_shared<Nf4Weight>(file().at("W"), false, *core), *core);
    check_qdora("qdora_nested", reference_nested(*core), *core);
  }
}

}  // namespace
}  // namespace dorabooth::nf4_golden_test
