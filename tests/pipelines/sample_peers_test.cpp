// Our pictures of the fixtures' base, without adapters, with a LoRA and with a DoRA, are diffusers'
// pictures. DORABOOTH_PEERS_PYTHON names the Python interpreter that has diffusers and PEFT.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "pipelines/sample.h"
#include "src/adapter/adapter_file.h"
#include "src/base/error.h"
#include "src/model/bundle.h"
#include "tests/pipelines/example_base.h"
#include "tests/support/fixtures.h"

namespace dorabooth::sample_peers_test {
namespace {

using testing::fixture_path;
using testing::Recorder;
using testing::TemporaryFolder;

constexpr int kPackageMissing = 77;

struct Outcome {
  int status = 0;
  std::string output;
};

Outcome run_check(const std::string& python, const SampleReport& report) {
  const std::string script = (testing::source_dir() / "scripts/peers/check_sample.py").string();
  std::string command = concat("OMP_NUM_THREADS=1 '", python, "' '", script, "'");
  for (const SampledPicture& picture : report.pictures) command += " '" + picture.path + "'";
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (!pipe) fail("cannot run ", command);
  Outcome outcome;
  std::array<char, 4096> buffer;
  while (const size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    outcome.output.append(buffer.data(), count);
  }
  outcome.status = WEXITSTATUS(pclose(pipe));
  return outcome;
}

class SamplePeers : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::getenv("DORABOOTH_PEERS_PYTHON")) {
      GTEST_SKIP() << "DORABOOTH_PEERS_PYTHON names no Python interpreter";
    }
    request_.pretrained_model_name_or_path = fixture_path("tiny_sdxl").string();
    request_.prompt = {"a photo of a cat"};
    request_.seed = {42};
    request_.num_inference_steps = 6;
    request_.height = 64;
    request_.width = 96;
    request_.device = "cpu";
    request_.output_dir = (folder_.path() / "pictures").string();
  }

  // The fixture's adapter in the spelling that diffusers binds completely.
  std::string rewritten(const std::string& kind) {
    const SdxlBundle bundle = load_bundle(fixture_path("tiny_sdxl"), LoadOptions());
    const AdapterFile file = read_adapter_file(
        fixture_path("adapters/diffusers_" + kind + ".safetensors"), bundle.linear_layers());
    const auto path = folder_.path() / (kind + ".safetensors");
    write_diffusers_adapter(path, file.spec, file.modules, {});
    return path.string();
  }

  void expect_the_peers_picture() {
    Recorder recorder;
    const SampleReport report = sample(request_, recorder, {});
    const Outcome outcome = run_check(std::getenv("DORABOOTH_PEERS_PYTHON"), report);
    if (outcome.status == kPackageMissing) GTEST_SKIP() << outcome.output;
    EXPECT_EQ(outcome.status, 0) << outcome.output;
  }

  TemporaryFolder folder_;
  SampleRequest request_;
};

TEST_F(SamplePeers, ABatchOfTheBase) {
  request_.num_images_per_prompt = 2;
  request_.scheduler = "dpmpp_2m";
  request_.use_karras_sigmas = true;
  request_.guidance_rescale = 0.7;
  request_.negative_prompt = "blurry";
  expect_the_peers_picture();
}

TEST_F(SamplePeers, ALoraOfTheFixtures) {
  request_.adapter_path = {fixture_path("adapters/diffusers_lora.safetensors").string()};
  request_.scheduler = "euler_a";
  expect_the_peers_picture();
}

TEST_F(SamplePeers, ADoraAtAStrength) {
  request_.adapter_path = {rewritten("dora") + ":0.7"};
  request_.scheduler = "ddim";
  expect_the_peers_picture();
}

}  // namespace
}  // namespace dorabooth::sample_peers_test
