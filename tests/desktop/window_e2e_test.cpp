// What a person does to the real window itself: closes it while a run is on, types in other
// scripts, takes the light theme. DORABOOTH_SCREENSHOTS=FOLDER writes pictures there.
#include <gtest/gtest.h>

#include <GLFW/glfw3.h>
#include <imgui_internal.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "src/base/atomic_file.h"
#include "src/imagefile/image_file.h"
#include "tests/cli/program.h"
#include "tests/desktop/program_drive.h"

namespace dorabooth::testing::window_e2e_test {
namespace {

namespace fs = std::filesystem;

class WindowDrive : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!VirtualScreen::available()) GTEST_SKIP() << "Xvfb is not installed: scripts/setup.sh";
    screen_.emplace(1280, 720);
    options_.width = 1280;
    options_.height = 720;
  }

  void screenshot(ProgramDrive& drive, const std::string& name) {
    const char* folder = std::getenv("DORABOOTH_SCREENSHOTS");
    drive.test->Yield(10);
    if (!folder) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    write_png(fs::path(folder) / (name + ".png"), screen_->picture());
  }

  TrainConfig small_run(const Places& places) const {
    TrainConfig config;
    config.pretrained_model_name_or_path = places.assets + "/base";
    config.instance_data_dir = places.assets + "/pictures/train";
    config.instance_prompt = "a sks icon of {caption}";
    config.adapter = {"both"};
    config.resolution = 128;
    config.max_train_steps = 10000;
    config.output_dir = (home_.path() / "run").string();
    return config;
  }

  EmptyHome home_;
  std::optional<VirtualScreen> screen_;
  DesktopOptions options_;
};

// As the window's own button does it.
void press_close_button() {
  auto* window = static_cast<GLFWwindow*>(ImGui::GetMainViewport()->PlatformHandle);
  glfwSetWindowShouldClose(window, GLFW_TRUE);
}

TEST_F(WindowDrive, ClosedDuringARunItAsksAndTheRunCanBeContinued) {
  run_driven(options_, [&](ProgramDrive& drive) {
    const TrainConfig config = small_run(drive.state().places);
    for (const Field& field : train_fields().fields())
      drive.desk.act(
          FormAction(SetField{FormId::kTrain, field.name, train_fields().get(&config, field)}));
    drive.open(WindowId::kTrain);
    drive.test->KeyPress(ImGuiKey_F5);
    ASSERT_TRUE(drive.wait(120, [](const State& s) {
      const JobState& job = s.jobs[JobId::kTrain];
      return job.what == "train" && job.step >= 2;
    }));
    press_close_button();
    ASSERT_TRUE(drive.wait(5, [](const State& s) { return s.closing == Closing::kAsking; }));
    screenshot(drive, "close");
    drive.test->ItemClick("//Close the program?/Stay open");
    press_close_button();
    ASSERT_TRUE(drive.wait(5, [](const State& s) { return s.closing == Closing::kAsking; }));
    drive.test->ItemClick("//Close the program?/Stop and close");
  });  // it closes when the run has stopped
  const State next = restore_state(find_places(), "");
  ASSERT_TRUE(next.project.unfinished_run);
  bool checkpoint = false;
  for (const fs::directory_entry& entry : fs::directory_iterator(home_.path() / "run"))
    checkpoint = checkpoint || entry.path().filename().string().starts_with("checkpoint-");
  EXPECT_TRUE(checkpoint);
}

TEST_F(WindowDrive, ADroppedPictureOfAnotherProgramBringsItsFolder) {
  run_driven(options_, [&](ProgramDrive& drive) {
    const fs::path pictures = fs::path(drive.state().places.assets) / "pictures" / "train";
    fs::path picture;
    for (const fs::directory_entry& entry : fs::directory_iterator(pictures)) {
      if (entry.path().extension() == ".webp") picture = entry.path();
    }
    drive.desk.act(FileAction(FilesDropped{{picture.string()}}));
    const bool seen = drive.wait(10, [&](const State& s) {
      return s.dataset.report && s.dataset.enlarged_path == picture.string();
    });
    EXPECT_TRUE(seen) << picture << " " << drive.state().dataset.selected << " "
                      << drive.state().dataset.enlarged_path << " " << log_text(drive.state().log);
    EXPECT_EQ(drive.state().project.train.instance_data_dir, pictures.string());
    screenshot(drive, "dropped");
  });
}

TEST_F(WindowDrive, TheLayoutIsRememberedUntilItIsReset) {
  const char* log = window_title(WindowId::kLog);
  ImVec2 place;
  run_driven(options_, [&](ProgramDrive& drive) {
    EXPECT_TRUE(ImGui::FindWindowByName(log)->DockIsActive);
    drive.test->UndockWindow(log);
    drive.test->WindowMove(log, {300, 200});
    place = ImGui::FindWindowByName(log)->Pos;
  });
  run_driven(options_, [&](ProgramDrive& drive) {
    drive.test->Yield(3);
    EXPECT_FALSE(ImGui::FindWindowByName(log)->DockIsActive);
    EXPECT_EQ(ImGui::FindWindowByName(log)->Pos.x, place.x);
    EXPECT_EQ(ImGui::FindWindowByName(log)->Pos.y, place.y);
    drive.desk.act(AppAction(ResetLayout{}));
    drive.test->Yield(3);
    EXPECT_TRUE(ImGui::FindWindowByName(log)->DockIsActive);
  });
}

TEST_F(WindowDrive, ThemesAndScripts) {
  run_driven(options_, [&](ProgramDrive& drive) {
    const std::string pictures = drive.state().places.assets + "/pictures";
    const fs::path own = home_.path() / "my_pictures";
    fs::copy(pictures + "/train", own);
    drive.desk.act(AppAction(SetTheme{"light"}));
    drive.test->Yield(5);
    EXPECT_GT(screen_->picture().pixel(900, 600)[0], 200);
    drive.desk.act(StartAction(ChooseBase{drive.state().places.assets + "/base"}));
    drive.open(WindowId::kStart);
    screenshot(drive, "light_start");
    drive.desk.act(StartAction(ChooseDataset{own.string()}));
    ASSERT_TRUE(
        drive.wait(30, [](const State& s) { return s.dataset.report && s.dataset.enlarged; }));
    drive.open(WindowId::kDataset);
    drive.test->ItemClick("**/##caption");
    drive.test->KeyCharsReplace("小さな猫のアイコン, 一只猫, 고양이");
    screenshot(drive, "light_dataset");
    drive.test->ItemClick("**/Class pictures");
    drive.test->ItemClick("**/Train on class pictures too");
    drive.desk.act(FormAction(SetField{FormId::kTrain, "class_data_dir", pictures + "/train"}));
    ASSERT_TRUE(drive.wait(30, [](const State& s) {
      return !s.jobs[JobId::kDataset].active() && s.dataset.report &&
             s.dataset.report->class_pictures_needed > 0;
    }));
    screenshot(drive, "light_class");
    EXPECT_EQ(drive.state().dataset.thumbnails.size(), 128u);
    drive.open(WindowId::kTrain);
    screenshot(drive, "light_train");
    drive.open(WindowId::kCompare);
    drive.test->ItemClick("**/##prompts");
    drive.test->KeyCharsReplace("犬の写真\n一只在沙滩上的狗\n해변의 강아지");
    screenshot(drive, "light_compare");
    EXPECT_EQ(drive.state().project.compare.prompt.size(), 3u);
    drive.open(WindowId::kExport);
    screenshot(drive, "light_export");
    drive.open(WindowId::kInspect);
    screenshot(drive, "light_inspect");
    drive.desk.act(AppAction(SetTheme{"dark"}));
    drive.open(WindowId::kCompare);
    screenshot(drive, "dark_compare");
  });
}

}  // namespace
}  // namespace dorabooth::testing::window_e2e_test
