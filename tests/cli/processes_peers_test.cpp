// torchrun starts two processes of the program: DORABOOTH_PEERS_PYTHON names the Python interpreter
// beside which it lies.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "tests/cli/program.h"
#include "tests/support/free_port.h"

namespace dorabooth::testing::processes_peers_test {
namespace {

namespace fs = std::filesystem;

TEST(Torchrun, StartsATrainingOfTwoProcesses) {
  const char* python = std::getenv("DORABOOTH_PEERS_PYTHON");
  const fs::path torchrun = python ? fs::path(python).parent_path() / "torchrun" : fs::path();
  if (!fs::exists(torchrun)) GTEST_SKIP() << "no torchrun beside DORABOOTH_PEERS_PYTHON";
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "out";
  const Outcome outcome = Program({"--no-python",
                                   "--nproc_per_node",
                                   "2",
                                   "--master_port",
                                   std::to_string(free_port()),
                                   (binary_dir() / "dorabooth").string(),
                                   "train",
                                   "--config",
                                   "configs/style_small.json",
                                   "--resolution",
                                   "64",
                                   "--device",
                                   "cpu",
                                   "--max_train_samples",
                                   "4",
                                   "--train_batch_size",
                                   "2",
                                   "--max_train_steps",
                                   "2",
                                   "--output_dir",
                                   out.string()},
                                  torchrun)
                              .wait();
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_NE(outcome.errors.find("2 processes train together over Gloo: 4 rows a micro-batch"),
            std::string::npos)
      << outcome.errors;
  EXPECT_NE(outcome.errors.find("4 sums of gradients"), std::string::npos) << outcome.errors;
  const std::string metrics = file_text(out / "metrics.jsonl");
  EXPECT_EQ(std::count(metrics.begin(), metrics.end(), '\n'), 2) << "one process writes";
  for (const char* name : {"lora", "dora"})
    EXPECT_TRUE(fs::exists(out / name / "pytorch_lora_weights.safetensors")) << name;
}

}  // namespace
}  // namespace dorabooth::testing::processes_peers_test
