// `dorabooth train --dry_run`, and its forecast against what the run then takes; and a merge's.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/imagefile/image_file.h"
#include "src/report/metrics_file.h"
#include "tests/cli/program.h"

namespace dorabooth::testing::dry_run_e2e_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class DryRun : public ::testing::Test {
 protected:
  std::vector<std::string> arguments(std::vector<std::string> more) const {
    std::vector<std::string> all = {"train",        "--config",     "configs/style_small.json",
                                    "--output_dir", out().string(), "--device",
                                    "cpu"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  fs::path out() const { return folder_.path() / "out"; }

  TemporaryFolder folder_;
};

TEST_F(DryRun, ListsAndDrawsEveryPicture) {
  const fs::path pictures = folder_.path() / "pictures";
  write_png(pictures / "wide.png", Image(400, 200, 200));
  write_png(pictures / "square.png", Image(300, 300, 100));
  write_png(pictures / "strip.png", Image(900, 60, 50));
  const Outcome outcome =
      run(arguments({"--instance_data_dir", pictures.string(), "--instance_prompt", "x",
                     "--enable_bucket", "--bucket_reso_steps", "16", "--min_bucket_reso", "64",
                     "--max_bucket_reso", "256", "--dry_run", "--json"}));
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  const json report = json::parse(outcome.out);
  ASSERT_EQ(report["pictures"].size(), 3u);
  const json& strip = report["pictures"][1];
  EXPECT_GT(strip["area_lost"].get<double>(), 0.2);
  EXPECT_EQ(strip["warnings"].size(), 2u);  // cut, and enlarged
  EXPECT_NE(outcome.errors.find("% of the area is cut off"), std::string::npos);
  const json& wide = report["pictures"][2];
  EXPECT_EQ(wide["bucket_width"], 176);
  EXPECT_EQ(wide["bucket_height"], 80);
  EXPECT_EQ(report["buckets"].size(), 3u);
  EXPECT_EQ(report["forecast"]["parameters"]["unet"], 7310988);
  ASSERT_EQ(report["sheets"].size(), 1u);
  const Image sheet = read_picture(report["sheets"][0].get<std::string>()).image;
  EXPECT_GT(sheet.width, 3 * 256);
  // Nothing else was written.
  EXPECT_EQ(std::distance(fs::directory_iterator(out()), fs::directory_iterator()), 1);
}

TEST_F(DryRun, ASettingThatDoesNotFitEndsWithStatusOne) {
  const Outcome outcome = run(arguments({"--dry_run", "--memory_limit_mb", "10"}));
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.out.find("it does not fit"), std::string::npos) << outcome.out;
}

TEST_F(DryRun, AFormatThatCannotHoldTheAdapterIsRefusedAsInTheRun) {
  const Outcome outcome = run(arguments(
      {"--dry_run", "--output_format", "peft", "--adapter", "dora", "--dora_norm_axis", "input"}));
  EXPECT_EQ(outcome.status, 2);
  EXPECT_NE(outcome.errors.find("--output_format peft"), std::string::npos) << outcome.errors;
  EXPECT_FALSE(fs::exists(out()));
}

// The peak of the process, within 15 %, where activations are most of it and where they are not;
// adapters on the attention projections.
TEST_F(DryRun, TheForecastOfMemoryHolds) {
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{"--resolution", "256", "--train_batch_size", "8"},
        {"--resolution", "384", "--train_batch_size", "8", "--gradient_checkpointing"},
        {"--resolution", "256", "--train_batch_size", "8", "--mixed_precision", "bf16"},
        {"--resolution", "768", "--train_batch_size", "1", "--gradient_checkpointing",
         "--max_train_samples", "2", "--validation_prompt", "a dog", "--validation_inference_steps",
         "2", "--num_validation_images", "1"}}) {
    std::vector<std::string> words = more;
    words.push_back("--dry_run");
    words.push_back("--json");
    const Outcome dry = run(arguments(words));
    ASSERT_EQ(dry.status, 0) << dry.errors;
    const double forecast = json::parse(dry.out)["forecast"]["peak_mb"];
    words.resize(more.size());
    words.insert(words.end(), {"--max_train_steps", "3"});
    const Outcome real = run(arguments(words));
    ASSERT_EQ(real.status, 0) << real.errors;
    const double peak = read_metrics(out() / "metrics.jsonl").back()["peak_memory_mb"];
    EXPECT_NEAR(forecast / peak, 1.0, 0.15) << more[1] << ": " << forecast << " and " << peak;
    fs::remove_all(out());
  }
}

// What it says is what the merge then writes.
TEST_F(DryRun, OfAMergeWritesNothing) {
  std::vector<std::string> words = {"merge",
                                    "--pretrained_model_name_or_path",
                                    "assets/base",
                                    "--layout",
                                    "single_file",
                                    "--output",
                                    (folder_.path() / "merged.safetensors").string()};
  std::vector<std::string> dry = words;
  dry.insert(dry.end(), {"--dry_run", "--json"});
  const Outcome plan = run(dry);
  ASSERT_EQ(plan.status, 0) << plan.errors;
  EXPECT_TRUE(fs::is_empty(folder_.path()));
  const json told = json::parse(plan.out);
  const Outcome merged = run(words);
  ASSERT_EQ(merged.status, 0) << merged.errors;
  EXPECT_EQ(told["bytes"], fs::file_size(told["path"].get<std::string>()));
  EXPECT_NE(merged.out.find(concat(told["tensors"].get<int64_t>(), " tensors")), std::string::npos)
      << merged.out;

  dry.insert(dry.end(), {"--adapter_path", (folder_.path() / "none.safetensors").string()});
  const Outcome missing = run(dry);
  EXPECT_EQ(missing.status, 1);
  EXPECT_NE(json::parse(missing.out)["problems"][0]["message"].get<std::string>().find("none.safe"),
            std::string::npos)
      << missing.out;
}

}  // namespace
}  // namespace dorabooth::testing::dry_run_e2e_test
