// Comparisons in double; LibTorch's warnings become failures of the test in which they occur.
#include "tests/support/golden_tensors.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include "src/base/error.h"
#include "src/ops/tensor_bytes.h"
#include "src/tensorfile/safetensors.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing {

namespace {

// LibTorch's own warnings fail the test in which they occur.
class FailingWarnings : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override {
    ADD_FAILURE() << "LibTorch warned: " << warning.msg();
  }
};

class WarningEnvironment : public ::testing::Environment {
 public:
  void SetUp() override { c10::WarningUtils::set_warning_handler(&handler_); }
  void TearDown() override { c10::WarningUtils::set_warning_handler(nullptr); }

 private:
  FailingWarnings handler_;
};

const auto* const kWarningEnvironment = ::testing::AddGlobalTestEnvironment(new WarningEnvironment);

}  // namespace

GoldenFile::GoldenFile(const std::string& name) : name_(name) {
  const SafetensorsFile file(fixture_path(name));
  for (const TensorEntry& entry : file.entries()) {
    tensors_[entry.name] = tensor_from_bytes(entry.dtype, entry.shape, file.data(entry));
  }
}

at::Tensor GoldenFile::at(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) fail(name_, " has no tensor ", name);
  return found->second;
}

void expect_close(const at::Tensor& actual, const at::Tensor& expected, double atol, double rtol,
                  const std::string& name) {
  ASSERT_TRUE(actual.defined()) << name << " is undefined";
  ASSERT_EQ(actual.sizes(), expected.sizes()) << name;
  if (expected.numel() == 0) return;
  const at::Tensor a = actual.detach().to(at::kDouble).cpu();
  const at::Tensor b = expected.detach().to(at::kDouble).cpu();
  const at::Tensor excess = (a - b).abs() - (atol + rtol * b.abs());
  const double worst = excess.max().item<double>();
  const int64_t index = excess.argmax().item<int64_t>();
  EXPECT_FALSE(worst > 0 || std::isnan(worst))
      << name << ": element " << index << " is " << a.flatten()[index].item<double>() << ", want "
      << b.flatten()[index].item<double>() << " (atol " << atol << ", rtol " << rtol << ")";
}

void expect_close_to_largest(const at::Tensor& actual, const at::Tensor& expected, double fraction,
                             const std::string& name) {
  ASSERT_TRUE(expected.defined()) << name;
  const double largest = expected.numel() ? expected.abs().max().item<double>() : 0.0;
  expect_close(actual, expected, fraction * largest, 0.0, name);
}

}  // namespace dorabooth::testing
