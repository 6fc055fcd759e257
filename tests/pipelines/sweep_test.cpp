// Sweeps: each run is the training that anybody would start by hand, and is measured as by hand.
#include "pipelines/sweep.h"

#include "pipelines/evaluate.h"
#include "pipelines/sweep_text.h"
#include "src/imagefile/image_file.h"
#include "tests/pipelines/training_runs.h"

namespace dorabooth::testing::sweep_test {
namespace {

class SweepTest : public TrainingTest {
 protected:
  SweepTest() {
    static_cast<TrainConfig&>(request_) = config_;
    request_.output_dir = (folder_.path() / "sweep").string();
    request_.adapter = {"both"};
    request_.max_train_steps = 3;
    request_.field = {"rank=1,2", "seed=0,1"};
    request_.evaluation_data_dir = config_.instance_data_dir;
    request_.evaluation_num_timesteps = 2;
  }

  SweepReport run(int64_t stop_at = -1) {
    recorder_ = TrainingRecorder();
    recorder_.stop_at = stop_at;
    return sweep(request_, recorder_, recorder_.stop.get_token());
  }

  // How often a training began.
  size_t trainings() const {
    size_t count = 0;
    for (const StartedEvent& event : recorder_.all<StartedEvent>()) count += event.what == "train";
    return count;
  }

  std::string adapter(const std::string& label, const std::string& kind) const {
    return bytes("sweep/runs/" + label + "/" + kind + "/pytorch_lora_weights.safetensors");
  }

  SweepRequest request_;
};

TEST_F(SweepTest, EveryRunIsTheTrainingAtItsPoint) {
  const SweepReport report = run();
  ASSERT_EQ(report.runs.size(), 4u);
  ASSERT_EQ(report.rows.size(), 4u);
  EXPECT_EQ(report.rows[0].runs, 2);
  TrainConfig alone = config_;
  alone.adapter = {"both"};
  alone.max_train_steps = 3;
  alone.rank = 2;
  alone.seed = 1;
  const TrainReport trained = train_into("alone", alone);
  for (size_t i = 0; i < 2; ++i) {
    const std::string& name = trained.adapters[i].name;
    EXPECT_EQ(adapter("rank=2,seed=1", name), read_file(trained.adapters[i].path)) << name;
    EXPECT_EQ(report.runs[3].adapters[i].parameters, trained.adapters[i].parameters);
  }
  EvaluateRequest evaluation;
  evaluation.pretrained_model_name_or_path = base_path();
  evaluation.device = "cpu";
  evaluation.dtype = "fp32";
  evaluation.instance_data_dir = config_.instance_data_dir;
  evaluation.instance_prompt = config_.instance_prompt;
  evaluation.resolution = 64;
  evaluation.num_timesteps = 2;
  evaluation.adapter_path = {"dora=" + trained.adapters[1].path};
  Recorder quiet;
  const EvaluateReport by_hand = evaluate(evaluation, quiet, {});
  EXPECT_EQ(report.runs[3].base_loss, by_hand.rows[0].loss);
  EXPECT_EQ(report.runs[3].adapters[1].loss, by_hand.rows[1].loss);
  EXPECT_DOUBLE_EQ(report.runs[3].adapters[1].relative_to_base, by_hand.rows[1].relative_to_base);
  for (const char* file : {"results.csv", "results.json", "table.md", "plot.svg"})
    EXPECT_FALSE(bytes(std::string("sweep/") + file).empty()) << file;
  EXPECT_GT(read_picture(folder_.path() / "sweep/plot.png").image.width, 500);
  EXPECT_TRUE(fs::exists(folder_.path() / "sweep/runs/rank=1,seed=0/run.json"));
  EXPECT_FALSE(fs::exists(folder_.path() / "sweep/runs/rank=1,seed=0/checkpoint-3"));
}

TEST_F(SweepTest, FinishedRunsAreNotRepeatedAndACutOneGoesOn) {
  request_.field = {"rank=1,2"};
  const SweepReport whole = run();
  const std::string expected = adapter("rank=2", "dora");
  fs::remove_all(folder_.path() / "sweep/runs/rank=2");
  request_.checkpointing_steps = 1;
  fs::remove_all(folder_.path() / "sweep");
  const SweepReport cut = run(/*stop_at=*/2);
  EXPECT_TRUE(cut.stopped);
  EXPECT_TRUE(cut.runs.empty());
  EXPECT_TRUE(fs::exists(folder_.path() / "sweep/runs/rank=1/checkpoint-2"));
  const SweepReport resumed = run();
  EXPECT_FALSE(resumed.stopped);
  EXPECT_EQ(adapter("rank=2", "dora"), expected);
  EXPECT_EQ(sweep_run_json(resumed.runs[0])["adapters"], sweep_run_json(whole.runs[0])["adapters"]);
  const SweepReport again = run();
  EXPECT_EQ(trainings(), 0u);
  EXPECT_EQ(sweep_run_json(again.runs[1]), sweep_run_json(resumed.runs[1]));
}

TEST_F(SweepTest, OtherSettingsAreAnErrorThatNamesThem) {
  request_.field = {"rank=1"};
  request_.max_train_steps = 1;
  run();
  request_.learning_rate = 2e-3;
  const std::string message = message_of([&] { run(); });
  EXPECT_NE(message.find("learning_rate 0.001, now 0.002"), std::string::npos) << message;
  EXPECT_NE(message.find("rank=1/result.json"), std::string::npos) << message;
}

TEST_F(SweepTest, AnotherMeasurementTrainsNothing) {
  request_.field = {"rank=1"};
  request_.max_train_steps = 1;
  const SweepReport first = run();
  request_.evaluation_num_timesteps = 3;
  request_.evaluation_images = 2;
  request_.evaluation_inference_steps = 2;
  const SweepReport second = run();
  EXPECT_EQ(trainings(), 0u);
  EXPECT_NE(first.runs[0].base_loss, second.runs[0].base_loss);
  ASSERT_TRUE(second.runs[0].adapters[0].image_distance.has_value());
  EXPECT_GT(*second.runs[0].base_image_distance, 0.0);
  EXPECT_LT(*second.runs[0].base_image_distance, 1.0);
}

TEST_F(SweepTest, ARunThatFailsIsToldAndTheOthersGoOn) {
  request_.field = {"rank=1,2000"};
  request_.max_train_steps = 1;
  request_.memory_limit_mb = 700;
  const SweepReport report = run();
  ASSERT_EQ(report.runs.size(), 2u);
  EXPECT_EQ(report.runs[0].failure, "");
  EXPECT_NE(report.runs[1].failure.find("memory"), std::string::npos) << report.runs[1].failure;
  EXPECT_NE(bytes("sweep/table.md").find("Not trained: rank=2000"), std::string::npos);
}

TEST_F(SweepTest, WithoutHeldOutPicturesItIsRefused) {
  request_.evaluation_data_dir = "";
  EXPECT_NE(message_of([&] { run(); }).find("--evaluation_data_dir"), std::string::npos);
}

}  // namespace
}  // namespace dorabooth::testing::sweep_test
