// From the first start to the first comparison: how many clicks it takes.
#include <gtest/gtest.h>

#include "src/base/atomic_file.h"
#include "tests/desktop/compare_state.h"

namespace dorabooth::first_comparison_ui_test {
namespace {

using testing::DeskHarness;
using testing::state_in;

class ClickedDesk {
 public:
  void click(const char* item) {
    desk_.drive([&](ImGuiTestContext* test) { test->ItemClick(item); });
    ++clicks_;
  }
  // On the window's tab, then on the item.
  void click_in(const char* window, const char* item) {
    desk_.drive([&](ImGuiTestContext* test) {
      test->MouseMoveToPos(test->GetWindowTitlebarPoint(window));
      test->MouseClick();
      test->Yield(3);
      test->ItemClick(item);
    });
    clicks_ += 2;
  }
  DeskHarness& desk() { return desk_; }
  int clicks() const { return clicks_; }

 private:
  DeskHarness desk_{state_in("/home/ann")};
  int clicks_ = 0;
};

TEST(FirstComparison, IsAtMostFiveClicksAwayFromTheFirstStart) {
  ClickedDesk clicked;
  DeskHarness& desk = clicked.desk();
  clicked.click("//Start/Try the bundled base and pictures");
  for (const Effect& effect : Effects(desk.effects)) {
    if (const auto* load = std::get_if<LoadText>(&effect))
      reduce(desk.state, FileAction(TextLoaded{load->use, load->path, read_file(load->path)}));
  }
  clicked.click("//Train/**/Start");
  ASSERT_TRUE(desk.last_effect<RunTraining>());
  const TrainConfig& run = desk.last_effect<RunTraining>()->config;
  for (const char* adapter : {"/lora", "/dora"}) {
    const std::string file = run.output_dir + adapter + "/pytorch_lora_weights.safetensors";
    reduce(desk.state, JobId::kTrain, SavedEvent{file});
  }
  reduce(desk.state, JobId::kTrain, FinishedEvent{"trained"});
  clicked.click_in("//Compare", "//Compare/Draw");
  ASSERT_TRUE(desk.last_effect<RunCompare>());
  const CompareGrid grid = compare_grid(desk.last_effect<RunCompare>()->request);
  EXPECT_EQ(grid.problem, "");
  EXPECT_EQ(grid.columns.size(), 3u);  // base, LoRA, DoRA
  EXPECT_GE(grid.rows.size(), 1u);
  EXPECT_LE(clicked.clicks(), 5);
}

}  // namespace
}  // namespace dorabooth::first_comparison_ui_test
