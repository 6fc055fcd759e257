// The Start window: each of its buttons, and what it says.
#include "ui/desktop/views/start.h"

#include <gtest/gtest.h>

#include "tests/desktop/desk_harness.h"

namespace dorabooth::start_ui_test {
namespace {

using testing::DeskHarness;
using testing::state_in;

TEST(StartView, OffersTheBundledBaseWhereItIs) {
  DeskHarness desk(state_in("/home/ann"), draw_start);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("Try the bundled base and pictures"); });
  std::vector<TextUse> loaded;
  for (const Effect& effect : desk.effects) {
    if (const auto* load = std::get_if<LoadText>(&effect)) loaded.push_back(load->use);
  }
  EXPECT_EQ(loaded, (std::vector<TextUse>{TextUse::kQuickstart, TextUse::kPrompts}));
}

TEST(StartView, WithoutAssetsItDoesNotOfferThem) {
  DeskHarness desk({}, draw_start);
  desk.drive([](ImGuiTestContext* test) {
    IM_CHECK(!test->ItemExists("Try the bundled base and pictures"));
  });
}

TEST(StartView, AsksForBaseAndPictures) {
  DeskHarness desk(state_in("/home/ann"), draw_start);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("Choose a base..."); });
  EXPECT_EQ(desk.last<AskForFile>()->question.field, "pretrained_model_name_or_path");
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("Choose a folder..."); });
  EXPECT_EQ(desk.last<AskForFile>()->question.field, "instance_data_dir");
}

TEST(StartView, RecentOnesAreALinkAway) {
  State state = state_in("/home/ann");
  state.settings.recent_bases = {"sdxl-base"};
  state.settings.recent_datasets = {"my_dog"};
  DeskHarness desk(state, draw_start);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("sdxl-base##base"); });
  EXPECT_EQ(desk.state.project.merge.pretrained_model_name_or_path, "sdxl-base");
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("my_dog##dataset"); });
  EXPECT_EQ(desk.state.project.train.instance_data_dir, "my_dog");
  EXPECT_EQ(desk.last_effect<RunSurvey>()->request.instance_data_dir, "my_dog");
}

TEST(StartView, LeadsToTheTrainingOnceBothAreChosen) {
  State state = state_in("/home/ann");
  DeskHarness empty(state, draw_start);
  EXPECT_NE(empty.visible_text().find("Choose a base and pictures first."), std::string::npos);
}

TEST(StartView, TheTrainingIsAClickAway) {
  State state = state_in("/home/ann");
  set_base(state.project, "sdxl-base");
  state.project.train.instance_data_dir = "my_dog";
  DeskHarness desk(state, draw_start);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("To the training"); });
  EXPECT_EQ(desk.last<ShowWindow>()->window, WindowId::kTrain);
}

}  // namespace
}  // namespace dorabooth::start_ui_test
