// What convert writes, merged by the packages that it was written for, equals our own merge.
// DORABOOTH_PEERS_PYTHON names the Python interpreter that has diffusers, PEFT and LyCORIS.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "pipelines/convert.h"
#include "pipelines/parts/adapter_weights.h"
#include "pipelines/parts/checkpoint_layers.h"
#include "pipelines/parts/tensor_store.h"
#include "src/base/error.h"
#include "tests/pipelines/example_base.h"
#include "tests/support/fixtures.h"

namespace dorabooth {
namespace {

namespace fs = std::filesystem;

constexpr int kPackageMissing = 77;

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

// The fixtures' adapter of this kind, written for `to`, merged by `reader`.
void expect_merges(const std::string& kind, const std::string& to, const std::string& reader) {
  const char* python = std::getenv("DORABOOTH_PEERS_PYTHON");
  if (!python) GTEST_SKIP() << "DORABOOTH_PEERS_PYTHON names no Python interpreter";
  const testing::TemporaryFolder folder;
  const fs::path source = testing::fixture_path("adapters/diffusers_" + kind + ".safetensors");
  const fs::path base_path = testing::fixture_path("tiny_sdxl");
  ConvertRequest request;
  request.adapter_path = source.string();
  request.to = to;
  request.pretrained_model_name_or_path = base_path.string();
  const fs::path written = folder.path() / (to == "peft" ? "peft" : "adapter.safetensors");
  (to == "peft" ? request.output_dir : request.output) = written.string();
  testing::Recorder silent;
  convert(request, silent, {});

  const Checkpoint base = Checkpoint::open(base_path);
  std::vector<std::unique_ptr<nn::Linear>> shapes;
  const AdapterFile adapter = read_adapter_file(source, checkpoint_layers(base, shapes));
  std::map<std::string, at::Tensor> expected;
  for (const auto& [module, own] : adapter.modules) {
    expected[module] = AdaptedWeight(adapter, module, base_weight(base, module)).merged();
  }
  const fs::path numbers = folder.path() / "expected.safetensors";
  write_tensors(numbers, expected, {});
  const fs::path script = testing::source_dir() / "scripts/peers/check_converted.py";
  const Outcome outcome = run_command(
      concat("OMP_NUM_THREADS=1 '", python, "' '", script.string(), "' ", reader, " '",
             base_path.string(), "' '", written.string(), "' '", numbers.string(), "' 2>&1"));
  if (outcome.status == kPackageMissing) GTEST_SKIP() << outcome.output;
  EXPECT_EQ(outcome.status, 0) << outcome.output;
}

TEST(ConvertPeers, DiffusersMergesALora) { expect_merges("lora", "diffusers", "diffusers"); }
TEST(ConvertPeers, DiffusersMergesADora) { expect_merges("dora", "diffusers", "diffusers"); }
TEST(ConvertPeers, DiffusersMergesKohyasLora) { expect_merges("lora", "kohya-sgm", "diffusers"); }
TEST(ConvertPeers, PeftMergesALora) { expect_merges("lora", "peft", "peft"); }
TEST(ConvertPeers, PeftMergesADora) { expect_merges("dora", "peft", "peft"); }
TEST(ConvertPeers, LycorisMergesALora) { expect_merges("lora", "kohya", "lycoris"); }
TEST(ConvertPeers, LycorisMergesADora) { expect_merges("dora", "kohya", "lycoris"); }

}  // namespace
}  // namespace dorabooth
