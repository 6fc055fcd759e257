// The Inspect window.
#include "ui/desktop/views/inspect.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "src/base/atomic_file.h"
#include "tests/desktop/desk_harness.h"
#include "tests/support/fixtures.h"
#include "ui/desktop/desk.h"

namespace dorabooth::inspect_ui_test {
namespace {

InspectRequest request_of(const std::string& path) {
  InspectRequest request;
  request.path = path;
  return request;
}

using testing::DeskHarness;
using testing::state_in;
using testing::TemporaryFolder;

State inspected() {
  State state = state_in("/home/ann");
  reduce(state, InspectAction(InspectFile{"/a/dora.safetensors"}));
  InspectReport report;
  report.kind = "adapter";
  report.summary = "dora in PEFT names, rank 8";
  report.facts = {{"ranks", "8"}, {"alphas", "16"}};
  report.problems = {"a half is missing"};
  report.json = "{\"kind\": \"adapter\"}";
  reduce(state, InspectAction(FileInspected{request_of("/a/dora.safetensors"), report}));
  reduce(state, JobId::kInspect, FinishedEvent{""});
  return state;
}

TEST(InspectView, ShowsWhatTheFileIsAndWhatIsWrong) {
  DeskHarness desk(inspected(), draw_inspect);
  desk.frames();
  const std::string text = desk.visible_text();
  for (const char* part : {"/a/dora.safetensors", "dora in PEFT names, rank 8", "ranks", "16",
                           "Problem: a half is missing"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
}

TEST(InspectView, IsCopiedAsJson) {
  DeskHarness desk(inspected(), draw_inspect);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("Copy as JSON"); });
  EXPECT_EQ(desk.last_effect<CopyToClipboard>()->text, "{\"kind\": \"adapter\"}");
}

TEST(InspectView, AsksForAFileAndForAFolder) {
  DeskHarness desk(state_in("/home/ann"), draw_inspect);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("Choose a file..."); });
  EXPECT_EQ(desk.last_effect<OpenFileDialog>()->question.kind, FileQuestionKind::kOpenFile);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("Choose a folder..."); });
  ASSERT_EQ(desk.last_effect<OpenFileDialog>()->question.kind, FileQuestionKind::kOpenFolder);
  reduce(desk.state,
         FileAction(FileChosen{desk.last_effect<OpenFileDialog>()->question, "/a/sdxl"}));
  EXPECT_EQ(desk.state.inspect.path, "/a/sdxl");
  EXPECT_TRUE(desk.state.jobs[JobId::kInspect].active());
}

TEST(InspectView, ADroppedModelFolderIsInspected) {
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "model_index.json", "{}");
  Pipelines pipelines;
  pipelines.inspect = [](const InspectRequest&, Progress&, std::stop_token) {
    InspectReport report;
    report.summary = "a base";
    return report;
  };
  Desk desk(state_in(folder.path()), pipelines, {}, nullptr);
  desk.act(FileAction(FilesDropped{{folder.path().string()}}));
  for (int i = 0; i < 5000 && desk.state().inspect.summary.empty(); ++i) {
    desk.advance(i);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(desk.state().inspect.summary, "a base");
  EXPECT_TRUE(desk.state().project.train.instance_data_dir.empty());
}

TEST(InspectView, AnAdapterIsInspectedAgainstTheProjectsBase) {
  State state = state_in("/home/ann");
  Effects effects = reduce(state, InspectAction(InspectFile{"/a/dora.safetensors"}));
  ASSERT_TRUE(std::holds_alternative<RunInspect>(effects.at(0)));
  EXPECT_FALSE(std::get<RunInspect>(effects[0]).request.pretrained_model_name_or_path);
  reduce(state, JobId::kInspect, FinishedEvent{""});
  set_base(state.project, "sdxl-base");
  effects = reduce(state, InspectAction(InspectFile{"/a/dora.safetensors"}));
  EXPECT_EQ(std::get<RunInspect>(effects.at(0)).request.pretrained_model_name_or_path, "sdxl-base");
}

TEST(InspectView, ShowsWhatEachProgramComputesFromAnAdapter) {
  State state = inspected();
  InspectReport report;
  report.kind = "adapter";
  report.summary = "dora in kohya names, rank 8";
  report.facts = {{"ranks", "8"}, {"read by ComfyUI", "off by 52 % of the change (unet.q)"}};
  report.readers = {
      {"ComfyUI", "off by 52 % of the change (unet.q)", false, 4, 4, 0.52, 0.4, 0.3, "unet.q"},
      {"InvokeAI", "reads none of it: no DoRA", false, 4, 0, 0, 0, 0, ""}};
  InspectRequest request = request_of("/a/kohya.safetensors");
  request.pretrained_model_name_or_path = "/models/sdxl-base";
  reduce(state, InspectAction(FileInspected{request, report}));
  DeskHarness desk(state, draw_inspect);
  desk.frames();
  const std::string text = desk.visible_text();
  for (const char* part : {"with the base /models/sdxl-base", "ComfyUI", "off by 52 % of the",
                           "5.2e-01", "4.0e-01", "3.0e-01", "InvokeAI", "reads none of it"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  EXPECT_EQ(text.find("read by ComfyUI"), std::string::npos) << "it stands in the table above";
}

TEST(InspectView, WithoutABaseItSaysHowOtherProgramsVerdictsAreHad) {
  DeskHarness desk(inspected(), draw_inspect);
  desk.frames();
  EXPECT_NE(desk.visible_text().find("Choose the base that it is for"), std::string::npos);
}

TEST(InspectView, ALongReplayIsStopped) {
  State state = state_in("/home/ann");
  reduce(state, InspectAction(InspectFile{"/a/x.safetensors"}));
  reduce(state, JobId::kInspect, StartedEvent{"check the consumers", 560});
  DeskHarness desk(state, draw_inspect);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("Stop"); });
  ASSERT_TRUE(desk.last_effect<StopJob>());
  EXPECT_EQ(desk.last_effect<StopJob>()->job, JobId::kInspect);
}

TEST(InspectView, AnErrorStandsInFull) {
  State state = state_in("/home/ann");
  reduce(state, InspectAction(InspectFile{"/a/x.safetensors"}));
  reduce(state, JobId::kInspect, FailedEvent{"/a/x.safetensors: the header is cut off"});
  DeskHarness desk(state, draw_inspect);
  desk.frames();
  EXPECT_NE(desk.visible_text().find("the header is cut off"), std::string::npos);
}

}  // namespace
}  // namespace dorabooth::inspect_ui_test
