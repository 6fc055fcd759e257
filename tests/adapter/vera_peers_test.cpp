// A VeRA that is written loads in PEFT, computes the same there, and has the projections that PEFT
// draws from the same key. DORABOOTH_PEERS_PYTHON names the Python interpreter that has PEFT.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "src/base/error.h"
#include "src/device/adapter_core_choice.h"
#include "tests/adapter/base_layers.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::vera_peers_test {
namespace {

constexpr int kPackageMissing = 77;

TEST(VeraPeers, LoadsInPeftWithItsOutputs) {
  const char* python = std::getenv("DORABOOTH_PEERS_PYTHON");
  if (!python) GTEST_SKIP() << "DORABOOTH_PEERS_PYTHON names no Python interpreter";
  at::manual_seed(3);
  nn::Linear q(16, 24, false, at::TensorOptions(at::kFloat));
  nn::Linear k(40, 8, false, at::TensorOptions(at::kFloat));
  q.assign("weight", at::randn({24, 16}));
  k.assign("weight", at::randn({8, 40}));
  AdapterSpec spec;
  spec.kind = "vera";
  spec.rank = 5;
  spec.projection_prng_key = 7;
  spec.target_modules = {"to_q", "to_k"};
  AdapterSet set =
      AdapterSet::create(spec, {{"unet.block.to_q", &q}, {"unet.block.to_k", &k}}, 1, cpu_core());
  {
    const at::NoGradGuard no_grad;
    for (const AdapterParameter& parameter : set.parameters()) parameter.value.normal_();
  }
  const TemporaryFolder folder;
  write_adapter_file(folder.path() / "a.safetensors", spec, set.tensors(), {});
  const AttachScope scope = set.attach();
  const at::Tensor x_q = at::randn({3, 16});
  const at::Tensor x_k = at::randn({3, 40});
  write_tensor_file(folder.path() / "expected.safetensors",
                    {{"to_q.weight", q.weight()->rows(0, 24)},
                     {"to_k.weight", k.weight()->rows(0, 8)},
                     {"to_q.x", x_q},
                     {"to_k.x", x_k},
                     {"to_q.y", q.forward(x_q).detach()},
                     {"to_k.y", k.forward(x_k).detach()}});
  const std::string command = concat("OMP_NUM_THREADS=1 '", python, "' '",
                                     (source_dir() / "scripts/peers/check_vera.py").string(), "' '",
                                     (folder.path() / "peft/unet").string(), "' '",
                                     (folder.path() / "expected.safetensors").string(), "' 2>&1");
  FILE* pipe = popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string output;
  std::array<char, 4096> buffer;
  while (const size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    output.append(buffer.data(), count);
  }
  const int status = WEXITSTATUS(pclose(pipe));
  if (status == kPackageMissing) GTEST_SKIP() << output;
  EXPECT_EQ(status, 0) << output;
}

}  // namespace
}  // namespace dorabooth::testing::vera_peers_test
