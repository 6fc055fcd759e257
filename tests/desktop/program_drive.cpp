#include "tests/desktop/program_drive.h"

#include <gtest/gtest.h>
#include <imgui_te_internal.h>

#include <chrono>
#include <cstdlib>
#include <thread>

namespace dorabooth::testing {

EmptyHome::EmptyHome() {
  setenv("HOME", folder_.path().c_str(), 1);
  setenv("XDG_CONFIG_HOME", (folder_.path() / ".config").c_str(), 1);
  setenv("LIBGL_ALWAYS_SOFTWARE", "1", 1);
}

bool ProgramDrive::wait(double seconds, const std::function<bool(const State&)>& condition) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  waiting_ = true;
  while (!condition(desk.state()) && Clock::now() < end && !test->IsError()) test->Yield();
  waiting_ = false;
  test->Yield(3);
  return condition(desk.state());
}

bool ProgramDrive::wait_finished(JobId job, double seconds) {
  const bool over = wait(seconds, [job](const State& s) { return !s.jobs[job].active(); });
  const JobState& now = desk.state().jobs[job];
  EXPECT_TRUE(over) << "still running after " << seconds << " s: step " << now.step << " of "
                    << now.total;
  EXPECT_EQ(now.phase, JobState::Phase::kFinished) << now.message;
  return now.phase == JobState::Phase::kFinished;
}

void ProgramDrive::open(WindowId window) {
  test->SetRef("");
  desk.act(AppAction(ShowWindow{window}));
  test->Yield(3);
  test->SetRef((std::string("//") + window_title(window)).c_str());
}

void ProgramDrive::search(const char* field) {
  test->ItemInputValue("**/##search", field);
  test->Yield(2);
}

void ProgramDrive::set(const char* field, const std::string& value) {
  search(field);
  test->ItemInputValue((std::string("**/##") + field).c_str(), value.c_str());
}

void ProgramDrive::set_number(const char* field, double value) {
  search(field);
  test->ItemInputValue((std::string("**/##") + field).c_str(), std::to_string(value).c_str());
}

void ProgramDrive::switch_on(const char* field) {
  search(field);
  test->ItemClick((std::string("**/##set_") + field).c_str());
  test->Yield(2);
}

void ProgramDrive::add_text(const char* field, const std::string& value) {
  search(field);
  test->ItemClick((std::string("**/Add##") + field).c_str());
  test->Yield(2);
  test->ItemInputValue((std::string("**/##") + field + "_0").c_str(), value.c_str());
}

void run_driven(const DesktopOptions& options, const std::function<void(ProgramDrive&)>& drive) {
  ImGuiTestEngine* engine = ImGuiTestEngine_CreateContext();
  ImGuiTestEngineIO& io = ImGuiTestEngine_GetIO(engine);
  io.ConfigRunSpeed = ImGuiTestRunSpeed_Fast;
  io.ConfigNoThrottle = true;
  io.ConfigLogToTTY = false;
  io.ConfigMouseDrawCursor = false;
  io.ConfigVerboseLevel = ImGuiTestVerboseLevel_Warning;
  io.ConfigVerboseLevelOnError = ImGuiTestVerboseLevel_Info;
  io.ConfigWatchdogWarning = io.ConfigWatchdogKillTest = 1e6F;
  bool waiting = false;
  ImGuiTest* test = nullptr;
  ProgramHooks hooks;
  hooks.opened = [&](Desk& desk) {
    ImGuiTestEngine_Start(engine, ImGui::GetCurrentContext());
    test = IM_REGISTER_TEST(engine, "program", "drive");
    test->TestFunc = [&](ImGuiTestContext* context) {
      ProgramDrive driven(context, desk, waiting);
      drive(driven);
    };
    ImGuiTestEngine_QueueTest(engine, test, ImGuiTestRunFlags_None);
  };
  hooks.shown = [&](Desk& desk) {
    ImGuiTestEngine_PostSwap(engine);
    if (ImGuiTestEngine_IsTestQueueEmpty(engine)) {
      desk.act(AppAction(StopAndQuit{}));
      return false;
    }
    // About as often as the program itself draws while a job runs.
    if (waiting) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return true;
  };
  hooks.closing = [&] {
    EXPECT_EQ(test->Output.Status, ImGuiTestStatus_Success) << test->Output.Log.Buffer.c_str();
    ImGuiTestEngine_Stop(engine);
  };
  run_program(options, hooks);
  ImGuiTestEngine_DestroyContext(engine);
}

}  // namespace dorabooth::testing
