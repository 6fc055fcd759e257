// Adapters that LyCORIS' own modules wrote, merged here to what LyCORIS merges them to.
// DORABOOTH_PEERS_PYTHON names the Python interpreter that has diffusers and LyCORIS.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "pipelines/parts/adapter_weights.h"
#include "pipelines/parts/checkpoint_layers.h"
#include "pipelines/parts/tensor_store.h"
#include "src/base/error.h"
#include "tests/support/fixtures.h"

namespace dorabooth::lycoris_peers_test {
namespace {

namespace fs = std::filesystem;

constexpr int kPackageMissing = 77;
constexpr double kTolerance = 1e-5;  // of the largest value, in fp32 on both sides

struct Outcome {
  int status = 0;
  std::string output;
};

Outcome run_command(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  if (!pipe) fail("cannot run ", command);
  Outcome outcome;
  std::array<char, 4096> buffer;
  while (const size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    outcome.output.append(buffer.data(), count);
  }
  outcome.status = WEXITSTATUS(pclose(pipe));
  return outcome;
}

at::Tensor base_parameter(const Checkpoint& base, const std::string& name) {
  return base.weights(Component::kUNet).copy(path_in_component(name), at::kFloat, at::kCPU);
}

// A weight by its module's change, pair or patch; a bias by its patch.
at::Tensor merged_parameter(const AdapterContents& adapter, const Checkpoint& base,
                            const std::string& name) {
  const at::Tensor before = base_parameter(base, name);
  if (const WeightPatch* patch = adapter.find_patch(name)) {
    return patched(*patch, before, 1.0, StrengthRule::kPeft);
  }
  const std::string module = name.substr(0, name.rfind('.'));
  const bool weight = name.ends_with(".weight") && changes_weight(adapter, module);
  return weight ? changed_weight(adapter, module, before) : before;
}

void expect_merges(const std::string& algorithm) {
  const char* python = std::getenv("DORABOOTH_PEERS_PYTHON");
  if (!python) GTEST_SKIP() << "DORABOOTH_PEERS_PYTHON names no Python interpreter";
  const testing::TemporaryFolder folder;
  const fs::path base_path = testing::fixture_path("tiny_sdxl");
  const fs::path adapter_path = folder.path() / "adapter.safetensors";
  const fs::path expected_path = folder.path() / "expected.safetensors";
  const fs::path script = testing::source_dir() / "scripts/peers/make_lycoris.py";
  const Outcome outcome = run_command(concat(
      "OMP_NUM_THREADS=1 '", python, "' '", script.string(), "' ", algorithm, " '",
      base_path.string(), "' '", adapter_path.string(), "' '", expected_path.string(), "' 2>&1"));
  if (outcome.status == kPackageMissing) GTEST_SKIP() << outcome.output;
  ASSERT_EQ(outcome.status, 0) << outcome.output;

  const Checkpoint base = Checkpoint::open(base_path);
  std::vector<std::unique_ptr<nn::Linear>> shapes;
  const LinearLayers layers = checkpoint_layers(base, shapes);
  const AdapterContents adapter =
      read_adapter_contents(adapter_path, layers, checkpoint_shapes(base));
  size_t changed = 0;
  for (const auto& [name, want] : read_tensors(expected_path)) {
    const at::Tensor own = merged_parameter(adapter, base, name);
    const double largest = want.abs().max().item<double>();
    EXPECT_LT((own - want).abs().max().item<double>(), kTolerance * largest) << name;
    changed += !at::equal(want, base_parameter(base, name));
  }
  EXPECT_GE(changed, adapter.modules().size());
  EXPECT_GT(changed, 20u);
}

TEST(LycorisPeers, Locon) { expect_merges("locon"); }
TEST(LycorisPeers, LoconInTuckerForm) { expect_merges("locon+tucker"); }
TEST(LycorisPeers, LoconWithMagnitudesByRows) { expect_merges("locon+dora"); }
TEST(LycorisPeers, LoconWithMagnitudesByColumns) { expect_merges("locon+dora-input"); }
TEST(LycorisPeers, Loha) { expect_merges("loha"); }
TEST(LycorisPeers, LohaInTuckerForm) { expect_merges("loha+tucker"); }
TEST(LycorisPeers, LohaWithMagnitudesByColumns) { expect_merges("loha+dora-input"); }
TEST(LycorisPeers, Lokr) { expect_merges("lokr"); }
TEST(LycorisPeers, LokrOfWholeMatrices) { expect_merges("lokr-full"); }
TEST(LycorisPeers, LokrInTuckerForm) { expect_merges("lokr+tucker"); }
TEST(LycorisPeers, LokrWithMagnitudesByRows) { expect_merges("lokr+dora"); }
TEST(LycorisPeers, WholeDifferences) { expect_merges("full"); }
TEST(LycorisPeers, Norms) { expect_merges("norm"); }

}  // namespace
}  // namespace dorabooth::lycoris_peers_test
