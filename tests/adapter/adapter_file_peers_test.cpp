// What is written loads in diffusers with the same numbers. DORABOOTH_PEERS_PYTHON names the Python
// interpreter that has diffusers and PEFT.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "src/adapter/adapter_file.h"
#include "src/base/error.h"
#include "tests/adapter/base_layers.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::adapter_file_peers_test {
namespace {

namespace fs = std::filesystem;

constexpr int kPackageMissing = 77;

struct Outcome {
  int status = 0;
  std::string output;
};

Outcome run_check(const std::string& python, const fs::path& adapter, const fs::path& expected) {
  const fs::path script = source_dir() / "scripts/peers/check_adapter.py";
  const std::string command = concat("OMP_NUM_THREADS=1 '", python, "' '", script.string(), "' '",
                                     fixture_path("tiny_sdxl").string(), "' '", adapter.string(),
                                     "' '", expected.string(), "' 2>&1");
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

// Gives every third module another rank, and all an alpha that is not the rank.
void vary_scales(AdapterFile& file) {
  file.spec.alpha = 1.5 * static_cast<double>(file.spec.rank);
  size_t index = 0;
  for (auto& [module, own] : file.modules) {
    if (index++ % 3 == 0) {
      own.a = at::cat({own.a, own.a * 0.5}, 0);
      own.b = at::cat({own.b, own.b * -0.25}, 1);
      file.spec.rank_pattern.push_back(concat(module, "=", own.a.size(0)));
    }
    own.alpha = file.spec.alpha_of(module);
  }
}

void write_expected(const fs::path& path, const AdapterFile& file) {
  std::map<std::string, at::Tensor> expected;
  for (const auto& [module, own] : file.modules) {
    const double rank = static_cast<double>(own.a.size(0));
    const double scale = own.alpha / (file.spec.use_rslora ? std::sqrt(rank) : rank);
    expected[module + ".delta"] = at::matmul(own.b, own.a) * scale;
    if (own.m.defined()) expected[module + ".m"] = own.m;
  }
  write_tensor_file(path, expected);
}

void expect_loads_in_diffusers(const std::string& kind, bool use_rslora) {
  const char* python = std::getenv("DORABOOTH_PEERS_PYTHON");
  if (!python) GTEST_SKIP() << "DORABOOTH_PEERS_PYTHON names no Python interpreter";
  const BaseLayers base = base_layers(fixture_path("tiny_sdxl"));
  AdapterFile file =
      read_adapter_file(fixture_path("adapters/diffusers_" + kind + ".safetensors"), base.layers);
  file.spec.use_rslora = use_rslora;
  vary_scales(file);
  const TemporaryFolder folder;
  const fs::path adapter = folder.path() / "pytorch_lora_weights.safetensors";
  const fs::path expected = folder.path() / "expected.safetensors";
  write_diffusers_adapter(adapter, file.spec, file.modules, {});
  write_expected(expected, file);
  const Outcome outcome = run_check(python, adapter, expected);
  if (outcome.status == kPackageMissing) GTEST_SKIP() << outcome.output;
  EXPECT_EQ(outcome.status, 0) << outcome.output;
}

TEST(AdapterFilePeers, LoraLoadsInDiffusersWithItsScale) {
  expect_loads_in_diffusers("lora", false);
}

TEST(AdapterFilePeers, DoraLoadsInDiffusersWithItsScaleAndMagnitudes) {
  expect_loads_in_diffusers("dora", false);
}

TEST(AdapterFilePeers, RsLoraLoadsInDiffusersWithItsScale) {
  expect_loads_in_diffusers("lora", true);
}

}  // namespace
}  // namespace dorabooth::testing::adapter_file_peers_test
