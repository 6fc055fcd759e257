#include "tests/desktop/desk_harness.h"

#include <gtest/gtest.h>
#include <imgui_impl_null.h>
#include <imgui_te_internal.h>
#include <implot.h>

#include <stdexcept>

#include "tests/support/fixtures.h"
#include "ui/desktop/persistence.h"
#include "ui/desktop/theme.h"

namespace dorabooth::testing {

DeskHarness::DeskHarness(State initial, Draw view)
    : state(std::move(initial)), view_(std::move(view)) {
  if (ImGui::GetCurrentContext() != nullptr)
    throw std::logic_error("one DeskHarness at a time: the test engine is global");
  ImGui::CreateContext();
  ImPlot::CreateContext();
  ImGuiIO& io = ImGui::GetIO();
  io.IniFilename = nullptr;
  io.DisplaySize = {1280, 720};
  io.ConfigFlags |= ImGuiConfigFlags_NavEnableKeyboard | ImGuiConfigFlags_DockingEnable;
  ImGui_ImplNull_Init();
  apply_theme("dark", 1);
  engine_ = ImGuiTestEngine_CreateContext();
  ImGuiTestEngineIO& test_io = ImGuiTestEngine_GetIO(engine_);
  test_io.ConfigRunSpeed = ImGuiTestRunSpeed_Fast;
  test_io.ConfigNoThrottle = true;
  test_io.ConfigLogToTTY = false;
  test_io.ConfigVerboseLevel = ImGuiTestVerboseLevel_Warning;
  test_io.ConfigVerboseLevelOnError = ImGuiTestVerboseLevel_Info;
  ImGuiTestEngine_Start(engine_, ImGui::GetCurrentContext());
}

DeskHarness::DeskHarness(State initial) : DeskHarness(std::move(initial), Draw()) {}

DeskHarness::~DeskHarness() {
  ImGuiTestEngine_Stop(engine_);
  ImGui_ImplNull_Shutdown();
  ImPlot::DestroyContext();
  ImGui::DestroyContext();
  ImGuiTestEngine_DestroyContext(engine_);
}

void DeskHarness::draw() {
  Widgets widgets{textures};
  if (!view_) {
    draw_desktop(state, pending_, widgets);
    return;
  }
  ImGui::SetNextWindowPos({0, 0});
  ImGui::SetNextWindowSize(ImGui::GetIO().DisplaySize);
  ImGui::Begin("View", nullptr, ImGuiWindowFlags_NoSavedSettings);
  view_(state, pending_, widgets);
  ImGui::End();
}

void DeskHarness::frame() {
  ImGui_ImplNull_NewFrame();
  ImGui::NewFrame();
  draw();
  ImGui::Render();
  ImGui_ImplNullRender_RenderDrawData(ImGui::GetDrawData());
  textures.end_frame();
  frame_drawn(state);
  for (Action& action : pending_.take()) {
    for (Effect& effect : reduce(state, action)) effects.push_back(std::move(effect));
    actions.push_back(std::move(action));
  }
  ImGuiTestEngine_PostSwap(engine_);
}

void DeskHarness::frames(int count) {
  for (int i = 0; i < count; ++i) frame();
}

void DeskHarness::drive(const std::function<void(ImGuiTestContext*)>& function) {
  frames();
  ImGuiTest* test = IM_REGISTER_TEST(engine_, "desk", "drive");
  test->TestFunc = [&](ImGuiTestContext* context) {
    if (view_) context->SetRef("View");
    function(context);
  };
  ImGuiTestEngine_QueueTest(engine_, test, ImGuiTestRunFlags_None);
  while (!ImGuiTestEngine_IsTestQueueEmpty(engine_)) frame();
  EXPECT_EQ(test->Output.Status, ImGuiTestStatus_Success) << test->Output.Log.Buffer.c_str();
  ImGuiTestEngine_UnregisterTest(engine_, test);
  frames();
}

std::string DeskHarness::visible_text() {
  std::string text;
  ImGui_ImplNull_NewFrame();
  ImGui::NewFrame();
  ImGui::LogToBuffer();
  draw();
  text = ImGui::GetCurrentContext()->LogBuffer.c_str();
  ImGui::LogFinish();
  ImGui::Render();
  pending_.take();
  ImGuiTestEngine_PostSwap(engine_);
  return text;
}

State state_in(const std::string& folder) {
  State initial;
  initial.places.assets = (source_dir() / "assets").string();
  initial.places.configs = (source_dir() / "configs").string();
  initial.places.user_config = folder + "/config";
  initial.places.home = folder;
  initial.places.results = folder + "/results";
  initial.project = new_project(initial.places);
  initial.project_path = default_project_path(initial.places);
  return initial;
}

}  // namespace dorabooth::testing
