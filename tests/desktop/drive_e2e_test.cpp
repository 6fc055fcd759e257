// The whole program in a real window, from the first start to an exported and analyzed adapter,
// each step verified by what it left behind. DORABOOTH_SCREENSHOTS=FOLDER (scripts/screenshots.sh)
// trains longer and writes pictures of the windows there; DORABOOTH_WINDOW=WxH@SCALE sets the size.
#include <gtest/gtest.h>

#include <imgui_internal.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

#include "src/base/atomic_file.h"
#include "src/imagefile/image_file.h"
#include "tests/cli/program.h"
#include "tests/desktop/program_drive.h"
#include "ui/desktop/command_line.h"

namespace dorabooth::testing::drive_e2e_test {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

int distance(const uint8_t* a, const uint8_t* b) {
  return std::abs(a[0] - b[0]) + std::abs(a[1] - b[1]) + std::abs(a[2] - b[2]);
}

struct WindowSize {
  int width = 1280;
  int height = 720;
  double scale = 1;
};

WindowSize window_size() {
  WindowSize size;
  const std::string text = environment("DORABOOTH_WINDOW");
  std::sscanf(text.c_str(), "%dx%d@%lf", &size.width, &size.height, &size.scale);
  return size;
}

class Drive : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!VirtualScreen::available()) GTEST_SKIP() << "Xvfb is not installed: scripts/setup.sh";
    screen_.emplace(window_size().width, window_size().height);
    run_ = home_.path() / "dorabooth" / "quickstart";
  }

  // Of the window as it is now, if screenshots are asked for.
  void screenshot(ProgramDrive& drive, const std::string& name) {
    if (screenshots_.empty()) return;
    drive.test->MouseMoveToPos({2, 2});
    drive.test->Yield(10);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    write_png(fs::path(screenshots_) / (name + ".png"), screen_->picture());
  }

  void all(ProgramDrive& drive);
  void choose_bundled(ProgramDrive& drive);
  void look_at_pictures(ProgramDrive& drive);
  void set_up_training(ProgramDrive& drive);
  void train(ProgramDrive& drive);
  void compare(ProgramDrive& drive);
  void drag_split(ProgramDrive& drive);
  void merge(ProgramDrive& drive);
  void convert(ProgramDrive& drive);
  void analyze(ProgramDrive& drive);
  void inspect(ProgramDrive& drive);
  // On the screen, by its colour.
  void check_progress_bar(double share);
  void check_saved_project();
  void check_command_line();

  const std::string screenshots_ = environment("DORABOOTH_SCREENSHOTS");
  const int steps_ = screenshots_.empty() ? 8 : 120;
  EmptyHome home_;
  std::optional<VirtualScreen> screen_;
  fs::path run_;
  std::string command_;
};

void Drive::choose_bundled(ProgramDrive& drive) {
  drive.open(WindowId::kStart);
  drive.test->ItemClick("**/Try the bundled base and pictures");
  ASSERT_TRUE(drive.wait(
      10, [](const State& s) { return !s.project.train.pretrained_model_name_or_path.empty(); }));
}

void Drive::look_at_pictures(ProgramDrive& drive) {
  drive.open(WindowId::kDataset);
  ASSERT_TRUE(drive.wait(60, [](const State& s) {
    return s.dataset.report && s.dataset.thumbnails.size() == s.dataset.report->pictures.size();
  }));
  EXPECT_EQ(drive.state().dataset.report->pictures.size(), 64u);
  const fs::path first = drive.state().dataset.report->pictures.front().path;
  drive.test->ItemClick(("**/##" + first.filename().string()).c_str());
  EXPECT_TRUE(drive.wait(10, [&](const State& s) { return s.dataset.enlarged_path == first; }));
  screenshot(drive, "dataset");
}

void Drive::set_up_training(ProgramDrive& drive) {
  drive.open(WindowId::kTrain);
  drive.set_number("max_train_steps", steps_);
  drive.set_number("checkpointing_steps", steps_ / 4);
  drive.add_text("validation_prompt", "a sks icon of rabbit");
  drive.set_number("num_validation_images", 1);
  drive.set_number("validation_steps", steps_ / 2);
  drive.set_number("validation_inference_steps", screenshots_.empty() ? 2 : 20);
  drive.set("output_dir", run_.string());
  drive.test->ItemInputValue("**/##search", "");
  drive.test->ItemClick("**/Command line");
  drive.test->ItemClick("**/Copy command");
  drive.test->Yield(2);
  command_ = ImGui::GetClipboardText();
  EXPECT_EQ(command_, train_command(drive.state().project.train));
  EXPECT_NE(command_.find("--max_train_steps " + std::to_string(steps_)), std::string::npos);
  drive.test->ItemClick("**/Curves");
}

void Drive::train(ProgramDrive& drive) {
  const auto step_of = [](const State& s) {
    const JobState& job = s.jobs[JobId::kTrain];
    return job.what == "train" ? job.step : 0;
  };
  drive.test->ItemClick("**/Start");
  ASSERT_TRUE(drive.wait(120, [&](const State& s) { return step_of(s) >= 2; }));
  drive.test->ItemClick("**/Pause");
  const auto never = [](const State&) { return false; };
  drive.wait(4, never);  // the step that was on is finished
  const int64_t paused_at = step_of(drive.state());
  drive.wait(2, never);
  EXPECT_EQ(step_of(drive.state()), paused_at);
  EXPECT_EQ(drive.state().jobs[JobId::kTrain].phase, JobState::Phase::kPaused);
  check_progress_bar(static_cast<double>(paused_at) / steps_);
  drive.test->ItemClick("**/Resume");
  if (!screenshots_.empty()) {
    drive.wait(600, [&](const State& s) { return step_of(s) >= steps_ * 3 / 4; });
    screenshot(drive, "train");
  }
  ASSERT_TRUE(drive.wait_finished(JobId::kTrain, 600));
  for (const char* curve : {"loss/lora", "loss/dora", "lr", "grad_norm/dora"}) {
    EXPECT_EQ(drive.state().train.curves.at(curve).steps.size(), static_cast<size_t>(steps_))
        << curve;
  }
  EXPECT_EQ(drive.state().train.previews.size(), 7u);  // the base; three steps, two adapters
  for (const char* adapter : {"lora", "dora"}) {
    EXPECT_TRUE(fs::exists(run_ / adapter / "pytorch_lora_weights.safetensors"));
    EXPECT_TRUE(fs::exists(run_ / "samples" / ("step-" + std::to_string(steps_)) /
                           (std::string(adapter) + "-0.png")));
  }
  drive.test->ItemClick("**/Previews");
  drive.test->Yield(10);
  screenshot(drive, "previews");
  drive.test->ItemClick("**/Forecast");
  ASSERT_TRUE(drive.wait(30, [](const State& s) { return !s.train.forecast.empty(); }));
  EXPECT_NE(drive.state().train.forecast.find("memory at most"), std::string::npos)
      << drive.state().train.forecast;
  drive.test->Yield(10);
  screenshot(drive, "forecast");
}

void Drive::check_progress_bar(double share) {
  const Image seen = screen_->picture();
  const auto differs = [](const uint8_t* a, const uint8_t* b) { return distance(a, b) > 12; };
  const uint8_t accent[] = {89, 166, 250};
  int longest = 0;
  int whole = 0;
  for (int y = 0; y < seen.height; ++y) {
    int x = seen.width / 3;  // right of the settings
    while (x < seen.width && differs(seen.pixel(x, y), accent)) ++x;
    const int start = x;
    while (x < seen.width && !differs(seen.pixel(x, y), accent)) ++x;
    const int end = x;
    // Behind the bar's blurred end lies the part that is still to come, of one colour.
    const int rest = std::min(end + 2, seen.width - 1);
    for (x = rest; x < seen.width && !differs(seen.pixel(x, y), seen.pixel(rest, y));) ++x;
    if (end - start <= longest) continue;
    longest = end - start;
    whole = x - start;
  }
  ASSERT_GT(whole, seen.width / 4);
  EXPECT_NEAR(static_cast<double>(longest) / whole, share, 0.03);
}

// Two prompts at two seeds through base, LoRA and DoRA.
void Drive::compare(ProgramDrive& drive) {
  drive.open(WindowId::kCompare);
  drive.test->ItemClick("**/##prompts");
  drive.test->KeyCharsReplace("a sks icon of penguin\na sks icon of pie");
  drive.test->ItemInputValue("**/##seed", "0,1");
  // What was trained is there already.
  ASSERT_TRUE(drive.wait(5, [](const State& s) { return s.project.compare.column.size() == 2; }));
  // Below what a small window shows of the settings.
  const int inference_steps = screenshots_.empty() ? 2 : 25;
  drive.desk.act(FormAction(SetField{FormId::kCompare, "num_inference_steps", inference_steps}));
  drive.desk.act(FormAction(SetField{FormId::kCompare, "guidance_scale", 3.0}));
  drive.test->ItemClick("Draw");
  ASSERT_TRUE(drive.wait_finished(JobId::kCompare, 600));
  const auto& pictures = drive.state().compare.pictures;
  EXPECT_EQ(pictures.size(), 2u * 2 * 3);
  for (const auto& [place, picture] : pictures) {
    EXPECT_EQ(read_picture(picture.path).image.rgb_hwc, picture.image->rgb_hwc) << picture.path;
  }
  screenshot(drive, "compare");
  drag_split(drive);
}

// Left of the bar lies the base's picture, right of it the DoRA's: on the screen, where the two
// differ most.
void Drive::drag_split(ProgramDrive& drive) {
  drive.test->ItemClick("**/##cell_0_2");
  drive.test->KeyPress(ImGuiKey_Enter);
  ASSERT_TRUE(drive.wait(5, [](const State& s) { return s.compare.large; }));
  const auto& pictures = drive.state().compare.pictures;
  const Image& base = *pictures.at({"a sks icon of penguin", 0, "base"}).image;
  const Image& dora = *pictures.at({"a sks icon of penguin", 0, "dora"}).image;
  PixelPlace place;
  int largest = 0;
  for (int y = 0; y < base.height; ++y) {
    for (int x = base.width / 4; x < base.width * 3 / 4; ++x) {
      const int difference = distance(base.pixel(x, y), dora.pixel(x, y));
      if (difference > largest) place = {x, y};
      largest = std::max(largest, difference);
    }
  }
  ASSERT_GT(largest, 3) << "the trained adapter changes nothing";
  const auto seen_at = [&](double split) {
    const ImRect canvas = drive.test->ItemInfo("**/##canvas").RectFull;
    const float from =
        canvas.Min.x + canvas.GetWidth() * static_cast<float>(drive.state().compare.split);
    drive.test->MouseMoveToPos({from, canvas.GetCenter().y});
    const float to = canvas.Min.x + canvas.GetWidth() * static_cast<float>(split);
    drive.test->MouseDragWithDelta({to - from, 0});
    drive.test->Yield(10);
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    EXPECT_NEAR(drive.state().compare.split, split, 0.05);
    const float pixels = ImGui::GetIO().DisplayFramebufferScale.x;
    const ViewArea area{canvas.Min.x, canvas.Min.y, canvas.GetWidth(), canvas.GetHeight(), pixels};
    const Placement lies =
        place_picture(drive.state().compare.view, area, {base.width, base.height});
    const Image screen = screen_->picture();
    const uint8_t* pixel = screen.pixel(
        static_cast<int>((lies.left + (static_cast<float>(place.x) + 0.5F) * lies.scale) * pixels),
        static_cast<int>((lies.top + (static_cast<float>(place.y) + 0.5F) * lies.scale) * pixels));
    return std::array<uint8_t, 3>{pixel[0], pixel[1], pixel[2]};
  };
  const auto right = seen_at(0.05);
  const auto left = seen_at(0.95);
  EXPECT_LE(distance(right.data(), dora.pixel(place.x, place.y)), 3);
  EXPECT_LE(distance(left.data(), base.pixel(place.x, place.y)), 3);
}

void Drive::merge(ProgramDrive& drive) {
  const fs::path merged = run_ / "merged";
  drive.open(WindowId::kExport);
  const std::string dora = (run_ / "dora" / "pytorch_lora_weights.safetensors").string();
  ASSERT_TRUE(drive.wait(5, [](const State& s) { return s.project.trained_adapters.size() == 2; }));
  drive.test->ItemClick("**/Add dora");
  drive.test->Yield(2);
  EXPECT_EQ(drive.state().project.merge.adapter_path, std::vector<std::string>{dora});
  // What is said under the settings moves them.
  const auto planned = [](const State& s) {
    return !s.export_.planning && s.export_.plan.tensors > 0 &&
           s.export_.planned == merge_fields().to_json(&s.project.merge).dump();
  };
  ASSERT_TRUE(drive.wait(20, planned));
  drive.set("output_dir", merged.string());
  drive.test->ItemInputValue("**/##search", "");
  ASSERT_TRUE(drive.wait(20, planned));
  EXPECT_GT(drive.state().export_.plan.bytes, 1'000'000u);
  EXPECT_TRUE(drive.state().form(FormId::kMerge).problems.empty());
  drive.test->ItemClick("**/Start merging");
  ASSERT_TRUE(drive.wait_finished(JobId::kMerge, 300));
  ASSERT_TRUE(drive.state().export_.report);
  const auto receipt = nlohmann::json::parse(read_file(merged / "merge_receipt.json"));
  EXPECT_EQ(receipt.at("layers").size(), drive.state().export_.report->layers.size());
  EXPECT_LT(drive.state().export_.report->largest_forward_error, 2e-3);
  EXPECT_TRUE(fs::exists(merged / "unet" / "diffusion_pytorch_model.safetensors"));
}

// The DoRA for ComfyUI, with what each of nine programs computes from the file.
void Drive::convert(ProgramDrive& drive) {
  drive.open(WindowId::kExport);
  drive.test->ItemClick("**/Convert");
  drive.test->Yield(2);
  drive.test->ItemClick("**/Take dora");
  drive.desk.act(FormAction(SetField{FormId::kConvert, "to", "comfyui"}));
  drive.test->Yield(2);
  drive.test->ItemClick("**/Start converting");
  ASSERT_TRUE(drive.wait_finished(JobId::kConvert, 300));
  ASSERT_TRUE(drive.state().convert.report);
  const ConvertReport& report = *drive.state().convert.report;
  EXPECT_EQ(report.path, (run_ / "dora" / "dora_comfyui.safetensors").string());
  EXPECT_TRUE(fs::exists(report.path));
  EXPECT_TRUE(report.is_right);
  EXPECT_EQ(report.verdicts.size(), 9u);
  for (const ReaderVerdict& verdict : report.verdicts) {
    if (verdict.consumer == "ComfyUI") {
      EXPECT_LT(verdict.error, 1e-4) << verdict.sentence;
    }
    if (verdict.consumer == "SD.Next") {
      EXPECT_GT(verdict.error, 1e-2) << verdict.sentence;
    }
  }
  screenshot(drive, "export");
}

// All checkpoints of the run: the paper's two axes over its steps.
void Drive::analyze(ProgramDrive& drive) {
  drive.open(WindowId::kAnalyze);
  drive.desk.act(FormAction(SetField{FormId::kAnalyze, "run", {run_.string()}}));
  drive.test->Yield(2);
  drive.test->ItemClick("**/Start analyzing");
  ASSERT_TRUE(drive.wait_finished(JobId::kAnalyze, 300));
  ASSERT_TRUE(drive.state().analyze.report);
  const AnalyzeReport& report = *drive.state().analyze.report;
  ASSERT_EQ(report.series.size(), 2u);
  for (const ChangeSeries& series : report.series) {
    EXPECT_EQ(series.records.size(), 4 * series.layers.size()) << series.name;
    for (const LayerChange& change : series.records)
      EXPECT_GT(change.output.direction, 0) << change.layer;
  }
  EXPECT_EQ(drive.state().analyze.rows.size(),
            report.series[0].records.size() + report.series[1].records.size());
  screenshot(drive, "analyze");
  drive.test->ItemClick("**/By layer");
  drive.test->Yield(10);
  screenshot(drive, "analyze_layers");
}

void Drive::inspect(ProgramDrive& drive) {
  const std::string dora = (run_ / "dora" / "pytorch_lora_weights.safetensors").string();
  drive.desk.act(FileAction(FilesDropped{{dora}}));
  ASSERT_TRUE(drive.wait(2, [&](const State& s) { return s.inspect.path == dora; }));
  ASSERT_TRUE(drive.wait_finished(JobId::kInspect, 300));
  EXPECT_EQ(drive.state().inspect.readers.size(), 9u);
  for (const ReaderVerdict& verdict : drive.state().inspect.readers) {
    if (verdict.consumer == "diffusers") {
      EXPECT_TRUE(verdict.is_right) << verdict.sentence;
    }
    if (verdict.consumer == "InvokeAI") {
      EXPECT_FALSE(verdict.is_right) << verdict.sentence;
    }
  }
  screenshot(drive, "inspect");
}

void Drive::check_saved_project() {
  const auto project =
      nlohmann::json::parse(read_file(home_.path() / ".config/dorabooth/project.json"));
  EXPECT_EQ(project.at("train").at("max_train_steps"), steps_);
  EXPECT_TRUE(project.at("unfinished_run").is_null());
  EXPECT_EQ(project.at("trained_adapters").size(), 2u);
}

// What the Train window showed, with another folder for the results, in a process of its own.
void Drive::check_command_line() {
  const fs::path other = home_.path() / "by_command";
  std::string line = command_;
  const size_t at = line.find(run_.string());
  ASSERT_NE(at, std::string::npos);
  line.replace(at, run_.string().size(), other.string());
  line.replace(0, std::string("dorabooth").size(), (binary_dir() / "dorabooth").string());
  Program shell({"-c", line}, "/bin/sh");
  const Outcome outcome = shell.wait();
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  for (const char* adapter : {"lora", "dora"}) {
    const fs::path file = fs::path(adapter) / "pytorch_lora_weights.safetensors";
    EXPECT_EQ(read_file(run_ / file), read_file(other / file)) << adapter;
  }
}

void Drive::all(ProgramDrive& drive) {
  for (const auto step :
       {&Drive::choose_bundled, &Drive::look_at_pictures, &Drive::set_up_training, &Drive::train,
        &Drive::compare, &Drive::merge, &Drive::convert, &Drive::analyze, &Drive::inspect}) {
    (this->*step)(drive);
    if (HasFatalFailure() || drive.test->IsError()) return;
  }
  EXPECT_TRUE(drive.state().log.notices.empty());
}

TEST_F(Drive, FromTheFirstStartToAMergedModel) {
  DesktopOptions options;
  options.width = window_size().width;
  options.height = window_size().height;
  options.scale = window_size().scale;
  run_driven(options, [this](ProgramDrive& drive) { all(drive); });
  if (HasFatalFailure()) return;
  check_saved_project();
  if (screenshots_.empty()) check_command_line();
}

}  // namespace
}  // namespace dorabooth::testing::drive_e2e_test
