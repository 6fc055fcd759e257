// What an adapted layer costs in launches on a device: kernels of the core, counted in their
// emulation, and frozen products, counted where the layer asks for them. The numbers are those of
// the table in kernels/README.md.
#include <ATen/ATen.h>
#include <ATen/record_function.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "kernels/emulation/emulated_core.h"
#include "kernels/emulation/simt.h"
#include "src/adapter/low_rank.h"
#include "src/nn/checkpointing.h"
#include "tests/support/fixtures.h"

namespace dorabooth::launches_test {
namespace {

constexpr int64_t kIn = 24;
constexpr int64_t kOut = 40;
constexpr int64_t kTokens = 6;
// The most that a layer may take, products included.
constexpr int64_t kForwardBound = 4;
constexpr int64_t kBackwardBound = 6;

bool in_product = false;
int64_t products = 0;
std::vector<std::string> other_ops;

class ProductScope {
 public:
  ProductScope() : outer_(in_product) {
    if (!outer_) ++products;
    in_product = true;
  }
  ~ProductScope() { in_product = outer_; }
  ProductScope(const ProductScope&) = delete;
  ProductScope& operator=(const ProductScope&) = delete;

 private:
  bool outer_;
};

class CountingWeight : public DenseWeight {
 public:
  using DenseWeight::DenseWeight;
  at::Tensor matmul(const at::Tensor& x) const override {
    const ProductScope scope;
    return DenseWeight::matmul(x);
  }
  at::Tensor affine(const at::Tensor& x, const at::Tensor& bias) const override {
    const ProductScope scope;
    return DenseWeight::affine(x, bias);
  }
  at::Tensor matmul_transposed(const at::Tensor& dy) const override {
    const ProductScope scope;
    return DenseWeight::matmul_transposed(dy);
  }
};

// LibTorch's operators outside of the products, without those that only make or view a tensor.
std::unique_ptr<at::ObserverContext> note_op(const at::RecordFunction& function) {
  static const std::set<std::string> free = {
      "aten::empty",   "aten::empty_like", "aten::empty_strided", "aten::view",
      "aten::reshape", "aten::t",          "aten::transpose",     "aten::as_strided",
      "aten::detach",  "aten::alias",      "aten::slice",         "aten::contiguous"};
  const std::string name = function.name();
  if (!in_product && name.starts_with("aten::") && !free.contains(name)) other_ops.push_back(name);
  return nullptr;
}

class OpScope {
 public:
  OpScope()
      : handle_(at::addThreadLocalCallback(
            at::RecordFunctionCallback(note_op).scopes({at::RecordScope::FUNCTION}))) {
    other_ops.clear();
  }
  ~OpScope() { at::removeCallback(handle_); }
  OpScope(const OpScope&) = delete;
  OpScope& operator=(const OpScope&) = delete;

 private:
  at::CallbackHandle handle_;
};

// Core kernels and frozen products since the last call of take().
class Launches {
 public:
  int64_t take() {
    const int64_t now = simt::launch_count() + products;
    const int64_t taken = now - seen_;
    seen_ = now;
    return taken;
  }

 private:
  int64_t seen_ = simt::launch_count() + products;
};

struct Adapted {
  nn::Linear linear;
  AdapterSet set;
  AttachScope scope;

  Adapted(const std::string& kind, at::ScalarType dtype, bool bias)
      : linear(kIn, kOut, bias, at::TensorOptions().dtype(dtype)) {
    at::manual_seed(3);
    if (bias) linear.assign("bias", at::randn({kOut}).to(dtype));
    linear.set_weight(std::make_shared<CountingWeight>(at::randn({kOut, kIn}).to(dtype)));
    AdapterSpec spec;
    spec.kind = kind;
    spec.rank = 3;
    spec.target_modules = {"to_q"};
    set = AdapterSet::create(spec, {{"unet.mid.to_q", &linear}}, 1, emulated_core());
    linear.weight()->row_norm2();  // once for the life of the run
    scope = set.attach();
  }
};

struct Promise {
  int64_t forward = 0;
  int64_t backward = 0;
  int64_t norm = 0;
};

// "| LoRA layer | 3: … | 5: … | 0 |"
std::map<std::string, Promise> promised() {
  std::ifstream file(testing::source_dir() / "kernels" / "README.md");
  static const std::regex line(R"(\| (\w+) layer \| (\d+): [^|]* \| (\d+): [^|]* \| (\d+)[^|]*\|)");
  std::map<std::string, Promise> found;
  std::smatch match;
  for (std::string text; std::getline(file, text);) {
    if (!std::regex_match(text, match, line)) continue;
    std::string kind = match[1];
    std::transform(kind.begin(), kind.end(), kind.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    found[kind] = {std::stoi(match[2]), std::stoi(match[3]), std::stoi(match[4])};
  }
  return found;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += name + " ";
  return text;
}

TEST(Launches, ALayerTakesAsManyAsTheTableSays) {
  const auto table = promised();
  for (const std::string kind : {"lora", "dora"}) {
    ASSERT_TRUE(table.contains(kind)) << kind;
    const Promise want = table.at(kind);
    EXPECT_LE(want.forward, kForwardBound);
    EXPECT_LE(want.backward, kBackwardBound);
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      for (const bool bias : {false, true}) {
        SCOPED_TRACE(kind + " " + c10::toString(dtype) + (bias ? " with bias" : ""));
        Adapted layer(kind, dtype, bias);
        const at::Tensor x = at::randn({2, kTokens, kIn}).to(dtype).requires_grad_(true);
        const at::Tensor dy = at::randn({2, kTokens, kOut}).to(dtype);
        layer.linear.forward(x);  // the norm is there from now on
        const OpScope ops;
        Launches launches;
        const at::Tensor y = layer.linear.forward(x);
        EXPECT_EQ(launches.take(), want.forward);
        y.backward(dy);
        EXPECT_EQ(launches.take(), want.backward);
        EXPECT_TRUE(other_ops.empty()) << joined(other_ops);
      }
    }
  }
}

// Keys and values of text that does not train: x wants no gradient, and W·x may be at hand.
TEST(Launches, ALayerOverFrozenTextTakesFewer) {
  for (const std::string kind : {"lora", "dora"}) {
    SCOPED_TRACE(kind);
    const Promise want = promised().at(kind);
    Adapted layer(kind, at::kBFloat16, false);
    const at::Tensor x = at::randn({1, kTokens, kIn}).to(at::kBFloat16);
    const at::Tensor product = layer.linear.weight()->matmul(x);
    layer.linear.forward(x);
    Launches launches;
    layer.linear.forward(x, product).backward(at::randn({1, kTokens, kOut}).to(at::kBFloat16));
    EXPECT_EQ(launches.take(), want.forward - 1 + want.backward - 2);
  }
}

TEST(Launches, TheNormIsTakenOncePerParameterChange) {
  const Promise want = promised().at("dora");
  Adapted layer("dora", at::kBFloat16, true);
  const at::Tensor x = at::randn({1, kTokens, kIn}).to(at::kBFloat16).requires_grad_(true);
  const at::Tensor dy = at::randn({1, kTokens, kOut}).to(at::kBFloat16);
  Launches launches;
  for (int step = 0; step < 3; ++step) {
    SCOPED_TRACE(step);
    layer.linear.forward(x).backward(dy);
    EXPECT_EQ(launches.take(), want.norm + want.forward + want.backward) << "first micro-batch";
    layer.linear.forward(x).backward(dy);
    EXPECT_EQ(launches.take(), want.forward + want.backward) << "second micro-batch";
    const auto segment = [&](const std::vector<at::Tensor>& in) {
      return layer.linear.forward(in[0]);
    };
    nn::checkpoint(segment, {x}, nn::trainable_tensors(layer.linear)).backward(dy);
    EXPECT_EQ(launches.take(), 2 * want.forward + want.backward) << "recomputed";
    {
      const at::NoGradGuard no_grad;
      for (int sampling = 0; sampling < 4; ++sampling) layer.linear.forward(x);
    }
    EXPECT_EQ(launches.take(), 4 * want.forward) << "sampling steps";
    layer.set.on_parameters_changed();
  }
}

}  // namespace
}  // namespace dorabooth::launches_test
