// Pictures that a run holds out, and their loss.
#include <algorithm>

#include "pipelines/evaluate.h"
#include "pipelines/parts/training_validation.h"
#include "src/base/error.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::training_validation_test {
namespace {

class TrainingValidationTest : public TrainingTest {
 protected:
  TrainingValidationTest() {
    config_.validation_split = 0.25;  // one of four
    config_.validation_steps = 2;
    config_.max_train_steps = 4;
  }

  std::vector<std::string> notes_with(const std::string& words) {
    std::vector<std::string> found;
    for (const Event& event : recorder_.events) {
      const auto* note = std::get_if<LogEvent>(&event);
      if (note && note->text.find(words) != std::string::npos) found.push_back(note->text);
    }
    return found;
  }
};

TEST_F(TrainingValidationTest, TheSplitIsAFunctionOfTheSeedAndLeavesOneToLearnFrom) {
  ImageFolder all;
  for (int i = 0; i < 10; ++i) all.pictures.push_back({concat("p", i), "a"});
  ImageFolder one = all, two = all, other = all;
  config_.validation_split = 0.3;
  const ImageFolder held = hold_out_pictures(config_, one);
  EXPECT_EQ(held.pictures.size(), 3u);
  EXPECT_EQ(one.pictures.size(), 7u);
  const ImageFolder again = hold_out_pictures(config_, two);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(again.pictures[i].path, held.pictures[i].path);
  config_.validation_split = 0.9;
  other.pictures.resize(2);
  EXPECT_EQ(hold_out_pictures(config_, other).pictures.size(), 1u);
  EXPECT_EQ(message_of([&] { hold_out_pictures(config_, other); }).find("--validation_split"), 0u);
}

TEST_F(TrainingValidationTest, TheLossIsThatOfEvaluateAndStandsInTheMetrics) {
  config_.adapter = {"both"};
  train_into("run", config_);
  const auto lines = metrics("run");
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_FALSE(lines[0].contains("validation_loss"));
  EXPECT_FALSE(lines[2].contains("validation_loss"));
  for (const size_t i : {size_t{1}, size_t{3}}) {
    for (const char* kind : {"lora", "dora"}) {
      EXPECT_GT(lines[i].at("validation_loss").at(kind).get<double>(), 0.0);
    }
  }
  EXPECT_EQ(notes_with("held-out loss of the base").size(), 1u);
  EXPECT_EQ(notes_with("lora: lowest held-out loss").size(), 1u);
  EXPECT_EQ(notes_with("dora: lowest held-out loss").size(), 1u);

  // The same picture through `evaluate`.
  ImageFolder folder =
      read_image_folder({config_.instance_data_dir, std::nullopt, config_.instance_prompt});
  const ImageFolder held = hold_out_pictures(config_, folder);
  const fs::path alone = folder_.path() / "alone";
  fs::create_directories(alone);
  fs::copy_file(held.pictures[0].path, alone / held.pictures[0].path.filename());
  EvaluateRequest request;
  request.pretrained_model_name_or_path = config_.pretrained_model_name_or_path;
  request.device = "cpu";
  request.instance_data_dir = alone.string();
  request.instance_prompt = held.pictures[0].caption;
  request.resolution = config_.resolution;
  request.num_timesteps = 8;
  request.adapter_path = {"lora=" + (folder_.path() / "run" / "lora").string()};
  const EvaluateReport report = evaluate(request, recorder_, {});
  const double told = lines[3].at("validation_loss").at("lora").get<double>();
  EXPECT_NEAR(report.rows.at(1).loss, told, 1e-5 * told);
}

TEST_F(TrainingValidationTest, AResumedRunHasTheSameMetricsAndTheSameBest) {
  train_into("whole", config_);
  const auto best = notes_with("lora: lowest held-out loss");
  train_into("parts", config_, 3);
  TrainConfig again = config_;
  again.resume_from_checkpoint = "latest";
  train_into("parts", again);
  EXPECT_EQ(metrics("whole"), metrics("parts"));
  ASSERT_EQ(best.size(), 1u);
  const auto resumed = notes_with("lora: lowest held-out loss");
  ASSERT_EQ(resumed.size(), 1u);
  const auto until_checkpoint = [](const std::string& text) {
    return text.substr(0, text.find('('));
  };
  EXPECT_EQ(until_checkpoint(resumed[0]), until_checkpoint(best[0]));
}

}  // namespace
}  // namespace dorabooth::testing::training_validation_test
