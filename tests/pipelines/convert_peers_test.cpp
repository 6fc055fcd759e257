// What convert writes, merged by the packages that it was written for, equals our own merge.
// DORABOOTH_PEERS_PYTHON names the Python interpreter that has diffusers, PEFT and LyCORIS.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
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

namespace dorabooth::convert_peers_test {
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

// LoRA or DoRA of rank 3 on convolutions of every kind and on a matrix, in kohya's names.
fs::path write_convolutions(const fs::path& path, const Checkpoint& base, bool magnitudes) {
  at::manual_seed(12);
  std::map<std::string, at::Tensor> tensors;
  for (const std::string module :
       {"down_blocks.1.resnets.0.conv1", "down_blocks.2.resnets.0.conv_shortcut",
        "down_blocks.0.downsamplers.0.conv", "up_blocks.0.upsamplers.0.conv", "conv_in",
        "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"}) {
    const at::Tensor weight = base_weight(base, "unet." + module);
    std::string name = module;
    std::ranges::replace(name, '.', '_');
    const std::string stem = "lora_unet_" + name;
    std::vector<int64_t> down = weight.sizes().vec();
    std::vector<int64_t> up(down.size(), 1);
    std::vector<int64_t> column(down.size(), 1);
    down[0] = up[1] = 3;
    up[0] = column[0] = weight.size(0);
    tensors[stem + ".lora_down.weight"] = at::randn(down) * 0.1;
    tensors[stem + ".lora_up.weight"] = at::randn(up) * 0.1;
    tensors[stem + ".alpha"] = at::scalar_tensor(1.5f);
    if (!magnitudes) continue;
    tensors[stem + ".dora_scale"] =
        weight.flatten(1).norm(2, {1}).reshape(column) * (1 + 0.1 * at::randn(column));
  }
  write_tensors(path, tensors, {});
  return path;
}

// The fixtures' adapter of this kind, or one of convolutions, written for `to`, merged by `reader`.
void expect_merges(const std::string& kind, const std::string& to, const std::string& reader,
                   bool convolutions = false) {
  const char* python = std::getenv("DORABOOTH_PEERS_PYTHON");
  if (!python) GTEST_SKIP() << "DORABOOTH_PEERS_PYTHON names no Python interpreter";
  const testing::TemporaryFolder folder;
  const fs::path base_path = testing::fixture_path("tiny_sdxl");
  const Checkpoint base = Checkpoint::open(base_path);
  const fs::path source =
      convolutions ? write_convolutions(folder.path() / "source.safetensors", base, kind == "dora")
                   : testing::fixture_path("adapters/diffusers_" + kind + ".safetensors");
  ConvertRequest request;
  request.adapter_path = source.string();
  request.to = to;
  request.pretrained_model_name_or_path = base_path.string();
  const fs::path written = folder.path() / (to == "peft" ? "peft" : "adapter.safetensors");
  (to == "peft" ? request.output_dir : request.output) = written.string();
  testing::Recorder silent;
  convert(request, silent, {});

  std::vector<std::unique_ptr<nn::Linear>> shapes;
  const AdapterContents adapter =
      read_adapter_contents(source, checkpoint_layers(base, shapes), checkpoint_shapes(base));
  std::map<std::string, at::Tensor> expected;
  for (const std::string& module : adapter.modules()) {
    expected[module] = changed_weight(adapter, module, base_weight(base, module));
  }
  const fs::path numbers = folder.path() / "expected.safetensors";
  write_tensors(numbers, expected, {});
  const fs::path script = testing::source_dir() / "scripts/peers/check_converted.py";
  const Outcome outcome = run_command(concat("OMP_NUM_THREADS=1 '", python, "' '", script.string(),
                                             "' ", reader, " '", base_path.string(), "' '",
                                             written.string(), "' '", numbers.string(), "' 2>&1"));
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
TEST(ConvertPeers, AllMergeTheLoraOfConvolutionsThatIsWrittenForThem) {
  expect_merges("lora", "diffusers", "diffusers", /*convolutions=*/true);
  expect_merges("lora", "peft", "peft", /*convolutions=*/true);
  expect_merges("lora", "kohya", "lycoris", /*convolutions=*/true);
}
TEST(ConvertPeers, AllMergeTheDoraOfConvolutionsThatIsWrittenForThem) {
  expect_merges("dora", "diffusers", "diffusers", /*convolutions=*/true);
  expect_merges("dora", "peft", "peft", /*convolutions=*/true);
  expect_merges("dora", "kohya", "lycoris", /*convolutions=*/true);
}

}  // namespace
}  // namespace dorabooth::convert_peers_test
