// The Train window: controls by the state of the job, plots, the command line.
#include "ui/desktop/views/train.h"

#include <gtest/gtest.h>

#include "src/base/atomic_file.h"
#include "tests/desktop/desk_harness.h"

namespace dorabooth::train_ui_test {
namespace {

using testing::DeskHarness;
using testing::state_in;

State ready_state() {
  State state = state_in("/home/ann");
  set_base(state.project, "sdxl-base");
  state.project.train.instance_data_dir = "my_dog";
  return state;
}

TEST(TrainView, StartsPausesResumesAndStops) {
  DeskHarness desk(ready_state(), draw_train);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Start"); });
  ASSERT_TRUE(desk.last_effect<RunTraining>());
  EXPECT_EQ(desk.last_effect<RunTraining>()->config.instance_data_dir, "my_dog");
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Pause"); });
  EXPECT_TRUE(desk.last_effect<PauseJob>());
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Resume"); });
  EXPECT_TRUE(desk.last_effect<ResumeJob>());
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Stop"); });
  EXPECT_TRUE(desk.last_effect<StopJob>());
  EXPECT_NE(desk.visible_text().find("stopping after this step"), std::string::npos);
}

TEST(TrainView, ShowsTheRunAndItsCurves) {
  State state = ready_state();
  reduce(state, TrainAction(StartTraining{}));
  for (int step = 1; step <= 40; ++step) {
    reduce(state, JobId::kTrain,
           StepEvent{step,
                     150,
                     {{"loss/lora", 1.0 / step},
                      {"loss/dora", 2.0 / step},
                      {"lr", 1e-4},
                      {"grad_norm", 0.1},
                      {"peak_memory_mb", 1843.2}},
                     0.5,
                     55});
  }
  DeskHarness desk(state, draw_train);
  desk.drive([](ImGuiTestContext* test) {
    test->ItemClick("**/Log scale");
    test->ItemInputValue("**/Smoothing", 0.5F);
  });
  EXPECT_TRUE(desk.state.train.log_scale);
  EXPECT_FLOAT_EQ(static_cast<float>(desk.state.train.smoothing), 0.5F);
  const std::string text = desk.visible_text();
  EXPECT_NE(text.find("running, step 40 of 150, 0.5 s each, 0:55 left, 1.9 GB"), std::string::npos)
      << text;
}

TEST(TrainView, CopiesTheCommandWithTheChangedFlagsOnly) {
  State state = ready_state();
  state.project.train.output_dir = TrainConfig().output_dir;
  state.project.train.rank = 8;
  DeskHarness desk(state, draw_train);
  desk.drive([](ImGuiTestContext* test) {
    test->ItemClick("**/Command line");
    test->ItemClick("**/Copy command");
  });
  EXPECT_EQ(desk.last_effect<CopyToClipboard>()->text,
            "dorabooth train --pretrained_model_name_or_path sdxl-base --instance_data_dir my_dog "
            "--rank 8");
}

TEST(TrainView, TheForecastIsOfThePresentSettings) {
  DeskHarness desk(ready_state(), draw_train);
  const auto show = [](ImGuiTestContext* test) { test->ItemClick("**/Forecast"); };
  desk.drive(show);
  const ForecastTraining* asked = desk.last_effect<ForecastTraining>();
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->config.instance_data_dir, "my_dog");
  EXPECT_NE(desk.visible_text().find("headers of the base are read"), std::string::npos);
  const std::string settings = asked->settings;
  reduce(desk.state, TrainAction(ForecastMade{settings, "memory at most 5000 MB"}));
  desk.drive(show);
  EXPECT_NE(desk.visible_text().find("memory at most 5000 MB"), std::string::npos);
  desk.state.project.train.train_batch_size = 7;
  desk.drive(show);
  EXPECT_EQ(desk.last_effect<ForecastTraining>()->config.train_batch_size, 7);
  // What comes late, of other settings, is not shown.
  reduce(desk.state, TrainAction(ForecastMade{settings, "memory at most 5000 MB"}));
  EXPECT_TRUE(desk.state.train.forecast.empty());
}

TEST(TrainView, AnUnfinishedRunGoesOn) {
  State state = ready_state();
  state.project.unfinished_run.emplace(state.project.train).output_dir = "/home/ann/results/dog";
  DeskHarness desk(state, draw_train);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Continue the run"); });
  EXPECT_EQ(desk.last_effect<RunTraining>()->config.output_dir, "/home/ann/results/dog");
  EXPECT_EQ(desk.last_effect<RunTraining>()->config.resume_from_checkpoint, "latest");
}

TEST(TrainView, AnUnfinishedRunIsForgotten) {
  State state = ready_state();
  state.project.unfinished_run.emplace(state.project.train).output_dir = "/home/ann/results/dog";
  DeskHarness desk(state, draw_train);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Forget it"); });
  EXPECT_FALSE(desk.state.project.unfinished_run);
}

TEST(TrainView, ARunGoesOnWithTheSettingsItWasStartedWith) {
  State state = ready_state();
  state.project.train.rank = 8;
  reduce(state, TrainAction(StartTraining{}));
  reduce(state, TrainAction(StopTraining{}));
  reduce(state, JobId::kTrain, FinishedEvent{"stopped after 3 steps"});
  reduce(state, FormAction(SetField{FormId::kTrain, "rank", 64}));
  const Effects effects = reduce(state, TrainAction(ContinueRun{}));
  ASSERT_EQ(effects.size(), 2u);
  EXPECT_EQ(std::get<LoadText>(effects[0]).path,
            state.project.unfinished_run->output_dir + "/metrics.jsonl");
  EXPECT_TRUE(std::get<LoadText>(effects[0]).may_be_absent);
  EXPECT_EQ(std::get<RunTraining>(effects[1]).config.rank, 8);
  EXPECT_EQ(state.project.train.rank, 64);
}

TEST(TrainView, ARunThatNeverBeganIsNotOfferedToBeContinued) {
  State state = ready_state();
  reduce(state, TrainAction(StartTraining{}));
  reduce(state, JobId::kTrain, FailedEvent{"my_dog: no picture"});
  EXPECT_FALSE(state.project.unfinished_run);
  DeskHarness desk(state, draw_train);
  desk.frames();
  EXPECT_NE(desk.visible_text().find("failed: my_dog: no picture"), std::string::npos);
}

TEST(TrainView, CurvesOfAnEarlierSessionComeBackAndGoOn) {
  State state = ready_state();
  reduce(state, FileAction(TextLoaded{
                    TextUse::kMetrics, "metrics.jsonl",
                    "{\"step\":1,\"lr\":0.1,\"loss\":{\"dora\":3},\"grad_norm\":{\"dora\":1}}\n"
                    "{\"step\":2,\"lr\":0.1,\"loss\":{\"dora\":2},\"grad_norm\":{\"dora\":null}}\n"
                    "{\"step\":3,\"lr\":0.1,\"lo"}));
  reduce(state, JobId::kTrain, StepEvent{2, 4, {{"loss/dora", 5}}, 1, 1});
  reduce(state, JobId::kTrain, StepEvent{3, 4, {{"loss/dora", 4}}, 1, 1});
  const Curve& curve = state.train.curves.at("loss/dora");
  EXPECT_EQ(curve.steps, (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(curve.values, (std::vector<double>{3, 5, 4}));
  EXPECT_EQ(state.train.curves.at("grad_norm/dora").values.size(), 1u);
}

PreviewEvent preview(int64_t step, int64_t row, int64_t column) {
  PreviewEvent event;
  event.step = step;
  event.row = row;
  event.column = column;
  event.row_label = "seed " + std::to_string(row);
  event.column_label = column == 0 ? "base" : column == 1 ? "lora" : "dora";
  event.image = Image(64, 64);
  return event;
}

// Previews of a run: the base at its start, LoRA and DoRA after steps 10 and 20.
State with_previews() {
  State state = ready_state();
  state.project.train.validation_prompt = {"a rabbit", "a pie"};
  reduce(state, TrainAction(StartTraining{}));
  for (const int64_t row : {0, 1}) reduce(state, JobId::kTrain, preview(0, row, 0));
  for (const int64_t step : {10, 20}) {
    for (const int64_t column : {1, 2}) {
      for (const int64_t row : {0, 1}) reduce(state, JobId::kTrain, preview(step, row, column));
    }
  }
  return state;
}

TEST(TrainView, PreviewsStandByStepAndAdapterBesideTheBase) {
  DeskHarness desk(with_previews(), draw_train);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Previews"); });
  const auto& previews = desk.state.train.previews;
  ASSERT_EQ(previews.size(), 10u);
  EXPECT_EQ(previews[0].adapter, "base");
  EXPECT_EQ(previews[1].adapter, "base");
  EXPECT_EQ(previews[2].step, 20);
  EXPECT_GE(desk.textures.uploads, 6);
  const std::string text = desk.visible_text();
  EXPECT_LT(text.find("base"), text.find("step 20")) << text;
  EXPECT_LT(text.find("step 20"), text.find("step 10")) << text;
  EXPECT_EQ(text.find("step 0"), std::string::npos) << text;
  EXPECT_NE(text.find("seed 1"), std::string::npos) << text;
}

// A run that was resumed shows it again, at another step.
TEST(TrainView, TheBaseHasOneColumn) {
  State state = with_previews();
  for (const int64_t row : {0, 1}) reduce(state, JobId::kTrain, preview(20, row, 0));
  EXPECT_EQ(state.train.previews.size(), 10u);
}

TEST(TrainView, OldPreviewsMakeRoomAndTheBaseStays) {
  TrainState train;
  const auto large = std::make_shared<const Image>(1024, 1024);
  add_preview(train, {0, 0, 0, "", "base", large});
  for (int64_t step = 1; step <= 60; ++step) add_preview(train, {step, 0, 1, "", "", large});
  EXPECT_LE(train.previews.size() * large->rgb_hwc.size(), kPreviewBytes);
  EXPECT_EQ(train.previews[0].adapter, "base");
  EXPECT_EQ(train.previews[1].step, 60);
}

TEST(TrainView, APresetLeavesWhatWasChosen) {
  State state = state_in("/home/ann");
  set_base(state.project, "sdxl-base");
  state.project.train.instance_data_dir = "my_dog";
  state.train.presets = {state.places.configs + "/quickstart.json"};
  DeskHarness desk(state, draw_train);
  desk.drive([](ImGuiTestContext* test) {
    test->SetRef(test->WindowInfo("Settings").ID);
    test->ItemClick("##preset");
    test->ItemClick("//$FOCUSED/quickstart");
  });
  ASSERT_TRUE(desk.last_effect<LoadText>());
  const std::string path = desk.last_effect<LoadText>()->path;
  reduce(desk.state, FileAction(TextLoaded{TextUse::kPreset, path, read_file(path)}));
  const TrainConfig& train = desk.state.project.train;
  EXPECT_EQ(train.max_train_steps, 400);
  EXPECT_EQ(train.pretrained_model_name_or_path, "sdxl-base");
  EXPECT_EQ(train.instance_data_dir, "my_dog");
  EXPECT_FALSE(train.instance_prompt);
  EXPECT_EQ(train.output_dir, "/home/ann/results/run");
  reduce(desk.state, AppAction(UndoEdit{}));
  EXPECT_FALSE(desk.state.project.train.max_train_steps);
}

TEST(TrainView, SettingsAreSavedAndLoaded) {
  DeskHarness desk(ready_state(), draw_train);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Save..."); });
  FileQuestion question = desk.last_effect<OpenFileDialog>()->question;
  desk.state.project.train.rank = 32;
  const Effects saved = reduce(desk.state, FileAction(FileChosen{question, "/a/dog.json"}));
  const auto& file = std::get<SaveText>(saved.at(0));
  desk.state.project.train.rank = 4;
  reduce(desk.state, FileAction(TextLoaded{TextUse::kTrainConfig, file.path, file.text}));
  EXPECT_EQ(desk.state.project.train.rank, 32);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("**/Load..."); });
  EXPECT_EQ(desk.last_effect<OpenFileDialog>()->question.use, FileUse::kLoadTrainConfig);
}

TEST(TrainView, TheAdaptersOfTheLastRunAreKnown) {
  State state = ready_state();
  state.project.trained_adapters = {"/old/pytorch_lora_weights.safetensors"};
  reduce(state, TrainAction(StartTraining{}));
  const std::string run = state.project.train.output_dir;
  reduce(state, JobId::kTrain, SavedEvent{run + "/checkpoint-3"});
  EXPECT_EQ(state.project.trained_adapters.size(), 1u);
  for (const char* adapter : {"/lora", "/dora"})
    reduce(state, JobId::kTrain, SavedEvent{run + adapter + "/pytorch_lora_weights.safetensors"});
  ASSERT_EQ(state.project.trained_adapters.size(), 2u);
  EXPECT_EQ(state.project.trained_adapters[1], run + "/dora/pytorch_lora_weights.safetensors");
}

TEST(TrainView, TheFirstRunsAdaptersBecomeTheColumnsOfTheComparison) {
  State state = ready_state();
  for (const char* name : {"/first", "/second"}) {
    state.project.train.output_dir = name;
    reduce(state, TrainAction(StartTraining{}));
    for (const char* adapter : {"/lora", "/dora"}) {
      const std::string folder = std::string(name) + adapter;
      reduce(state, JobId::kTrain, SavedEvent{folder + "/pytorch_lora_weights.safetensors"});
    }
    reduce(state, JobId::kTrain, FinishedEvent{"done"});
    // Columns that are there stay: a second run's are offered.
    ASSERT_EQ(state.project.compare.column.size(), 2u);
    EXPECT_NE(state.project.compare.column[1].find("/first/dora/"), std::string::npos);
  }
}

TEST(TrainView, SettingsRestWhileARunIsOn) {
  DeskHarness desk(ready_state(), draw_train);
  desk.drive([](ImGuiTestContext* test) {
    test->ItemClick("**/Start");
    const ImGuiTestItemInfo item = test->ItemInfo("**/Changed only");
    IM_CHECK(item.ItemFlags & ImGuiItemFlags_Disabled);
  });
}

}  // namespace
}  // namespace dorabooth::train_ui_test
