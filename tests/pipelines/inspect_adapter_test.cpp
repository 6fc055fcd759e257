// What inspect says about the adapters whose files have their own form.
#include "pipelines/inspect.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::inspect_adapter_test {
namespace {

TEST_F(TrainingTest, InspectKnowsVeraFoldersAndMagnitudesAlone) {
  config_.adapter = {"vera:rank=8", "dora"};
  config_.magnitude_only_modules = {"ff.net.2"};
  config_.max_train_steps = 1;
  train_into("out", config_);
  for (const auto& [file, kind] :
       {std::pair<std::string, std::string>{"out/vera/peft/unet", "VeRA in peft names, rank 8"},
        {"out/dora", "DoRA in diffusers names, rank 1, 2"}}) {
    InspectRequest request;
    request.path = (folder_.path() / file).string();
    request.pretrained_model_name_or_path = base_path();
    const InspectReport report = inspect(request);
    EXPECT_EQ(report.summary, kind);
    EXPECT_NE(report.json.find("fits the base"), std::string::npos) << report.json;
    EXPECT_TRUE(report.problems.empty()) << report.json;
  }
}

}  // namespace
}  // namespace dorabooth::testing::inspect_adapter_test
