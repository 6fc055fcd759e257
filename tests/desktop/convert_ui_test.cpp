// The Export window's conversion: the reader, the place, the run, the proof.
#include <gtest/gtest.h>
#include <imgui_internal.h>

#include <chrono>
#include <thread>

#include "tests/desktop/desk_harness.h"
#include "ui/desktop/desk.h"
#include "ui/desktop/views/export.h"

namespace dorabooth::convert_ui_test {
namespace {

using testing::DeskHarness;
using testing::state_in;

const std::string kDora = "/out/dora/pytorch_lora_weights.safetensors";

State ready_state() {
  State state = state_in("/home/ann");
  set_base(state.project, "sdxl-base");
  state.project.trained_adapters = {kDora};
  state.project.convert.adapter_path = kDora;
  return state;
}

ConvertReport proved() {
  ConvertReport report;
  report.path = "/out/dora/dora_comfyui.safetensors";
  report.summary = "DoRA (output axis), 128 modules, from diffusers names";
  report.verdicts = {
      {"ComfyUI", "right at strength 1", true, 128, 128, 2.1e-7, 0.011, 3.4e-7, "unet.a.to_q"},
      {"SD.Next", "off by 44 % of the change (unet.b.to_k)", false, 128, 128, 0.44, 0.45, 0.46,
       "unet.b.to_k", 0, true},
      {"diffusers", "reads none of it: no alpha", false, 128, 0, 0, 0, 0, "", 0, true}};
  return report;
}

// Of a child window inside a tab.
ImGuiID child_named(const std::string& name) {
  for (const ImGuiWindow* window : ImGui::GetCurrentContext()->Windows) {
    if (std::string(window->Name).find(name) != std::string::npos) return window->ID;
  }
  return 0;
}

void to_convert(ImGuiTestContext* test) { test->ItemClick("**/Convert"); }

TEST(ConvertView, AnAdapterOfTheLastRunIsTakenAndWrittenForTheChosenReader) {
  State state = ready_state();
  state.project.convert.adapter_path.clear();
  DeskHarness desk(state, draw_export);
  desk.drive([](ImGuiTestContext* test) {
    to_convert(test);
    test->ItemClick("**/Take dora");
    test->SetRef(child_named("ConvertRequest"));
    test->ItemClick("##to");
    test->ItemClick("//$FOCUSED/comfyui");
    test->SetRef("View");
    test->ItemClick("**/Start converting");
  });
  ASSERT_TRUE(desk.last_effect<RunConvert>());
  const ConvertRequest& request = desk.last_effect<RunConvert>()->request;
  EXPECT_EQ(request.adapter_path, kDora);
  EXPECT_EQ(request.to, "comfyui");
  EXPECT_EQ(request.pretrained_model_name_or_path, "sdxl-base");
  EXPECT_EQ(request.output, "/out/dora/dora_comfyui.safetensors");
  EXPECT_FALSE(request.output_dir);
  EXPECT_TRUE(request.verify);
}

TEST(ConvertView, OfTheTwoPlacesTheOneThatTheReaderTakesIsUsed) {
  ConvertRequest request;
  request.adapter_path = "/a/cat.safetensors";
  request.to = "peft";
  request.output = "/a/old.safetensors";
  EXPECT_EQ(with_place(request).output_dir, "/a/cat_peft");
  EXPECT_FALSE(with_place(request).output);
  request.output_dir = "/b";
  EXPECT_EQ(place_of(request), "/b");
  request.to = "kohya";
  EXPECT_EQ(place_of(request), "/a/old.safetensors");
  EXPECT_FALSE(with_place(request).output_dir);
  request = {};
  EXPECT_EQ(place_of(request), "");
  request.adapter_path = "/a/peft_folder/";
  EXPECT_EQ(place_of(request), "/a/peft_folder/peft_folder_kohya-sgm.safetensors");
}

TEST(ConvertView, ShowsOnlyTheSettingsOfTheChosenReader) {
  State state = ready_state();
  state.export_.to_tab = ExportTab::kConvert;
  DeskHarness desk(state, draw_export);
  desk.frames();
  std::string text = desk.visible_text();
  EXPECT_NE(text.find("dora_kohya-sgm.safetensors"), std::string::npos) << text;
  EXPECT_EQ(text.find(" rank"), std::string::npos) << text;
  EXPECT_EQ(text.find("output_dir"), std::string::npos) << text;
  desk.state.project.convert.to = "peft";
  desk.frames();
  EXPECT_NE(desk.visible_text().find("output_dir"), std::string::npos);
  desk.state.project.convert.to = "lora-svd";
  desk.frames();
  EXPECT_NE(desk.visible_text().find(" rank"), std::string::npos);
}

TEST(ConvertView, WithoutAnAdapterItCannotStart) {
  State state = ready_state();
  state.project.convert.adapter_path.clear();
  EXPECT_TRUE(reduce(state, ConvertAction(StartConvert{})).empty());
  EXPECT_NE(state.log.notices.at(0).message.text.find("choose an adapter"), std::string::npos);
  EXPECT_FALSE(state.jobs[JobId::kConvert].active());
}

TEST(ConvertView, ShowsWhatEachProgramComputes) {
  State state = ready_state();
  reduce(state, ConvertAction(ConvertDone{proved()}));
  state.export_.to_tab = ExportTab::kConvert;
  DeskHarness desk(state, draw_export);
  desk.frames();
  const std::string text = desk.visible_text();
  for (const char* part :
       {"/out/dora/dora_comfyui.safetensors", "128 modules", "ComfyUI", "right at strength 1",
        "2.1e-07", "1.1e-02", "3.4e-07", "SD.Next", "off by 44 %", "reads none of it"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  EXPECT_EQ(text.find("does not compute what it means"), std::string::npos) << text;
}

TEST(ConvertView, SaysWhenItsOwnReaderIsWrongAndWhatTheRankLeavesOut) {
  State state = ready_state();
  ConvertReport report = proved();
  report.is_right = false;
  report.residual = 0.125;
  report.worst_residual = 0.25;
  report.worst_layer = "unet.c.to_v";
  reduce(state, ConvertAction(ConvertDone{report}));
  state.export_.to_tab = ExportTab::kConvert;
  DeskHarness desk(state, draw_export);
  desk.frames();
  const std::string text = desk.visible_text();
  EXPECT_NE(text.find("does not compute what it means"), std::string::npos) << text;
  EXPECT_NE(text.find("leaves out 12.5 % of the change, at most 25 % (unet.c.to_v)"),
            std::string::npos)
      << text;
}

TEST(ConvertView, IsStartedAndStoppedByKeyFromAnyWindow) {
  State state = ready_state();
  DeskHarness desk(state);
  desk.drive([](ImGuiTestContext* test) { test->KeyPress(ImGuiMod_Ctrl | ImGuiKey_K); });
  ASSERT_TRUE(desk.last_effect<RunConvert>());
  EXPECT_NE(desk.visible_text().find("Start converting"), std::string::npos);
  desk.drive(
      [](ImGuiTestContext* test) { test->KeyPress(ImGuiMod_Ctrl | ImGuiMod_Shift | ImGuiKey_K); });
  ASSERT_TRUE(desk.last_effect<StopJob>());
  EXPECT_EQ(desk.last_effect<StopJob>()->job, JobId::kConvert);
}

TEST(ConvertView, AStoppedConversionShowsNothing) {
  State state = ready_state();
  ConvertReport stopped;
  stopped.stopped = true;
  reduce(state, ConvertAction(ConvertDone{stopped}));
  EXPECT_FALSE(state.convert.report);
}

TEST(ConvertView, TheJobBringsTheReport) {
  Pipelines pipelines;
  pipelines.convert = [](const ConvertRequest& request, Progress& progress, std::stop_token) {
    progress.on(StartedEvent{"check the consumers", 1});
    ConvertReport report = proved();
    report.path = *request.output;
    return report;
  };
  Desk desk(ready_state(), pipelines, {}, nullptr);
  desk.act(ConvertAction(StartConvert{}));
  for (int i = 0; i < 5000 && desk.state().jobs[JobId::kConvert].active(); ++i) {
    desk.advance(i);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ASSERT_TRUE(desk.state().convert.report);
  EXPECT_EQ(desk.state().convert.report->path, "/out/dora/dora_kohya-sgm.safetensors");
  EXPECT_NE(desk.state().jobs[JobId::kConvert].message.find("128 modules"), std::string::npos);
}

}  // namespace
}  // namespace dorabooth::convert_ui_test
