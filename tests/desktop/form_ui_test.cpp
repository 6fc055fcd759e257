// Forms drawn from field lists: every type of setting, search, refusal, reset.
#include "ui/desktop/widgets/form.h"

#include <gtest/gtest.h>

#include "tests/desktop/desk_harness.h"

namespace dorabooth::form_ui_test {
namespace {

using testing::DeskHarness;

DeskHarness::Draw train_form() {
  return [](const State& state, Actions& actions, Widgets&) {
    draw_form(state, FormId::kTrain, actions);
  };
}

void search(ImGuiTestContext* test, const char* text) { test->ItemInputValue("##search", text); }

TEST(Form, ANumberIsTypedIn) {
  DeskHarness desk({}, train_form());
  desk.drive([](ImGuiTestContext* test) {
    search(test, "learning_rate");
    test->ItemInputValue("##learning_rate", "0.002");
  });
  EXPECT_EQ(desk.state.project.train.learning_rate, 0.002);
  EXPECT_EQ(desk.last<SetField>()->field, "learning_rate");
  EXPECT_TRUE(desk.last<EndEdit>());
}

TEST(Form, AnIntegerATextABooleanAndAChoiceAreSet) {
  DeskHarness desk({}, train_form());
  desk.drive([](ImGuiTestContext* test) {
    search(test, "rank");
    test->ItemInputValue("##rank", 16);
    search(test, "output_dir");
    test->ItemInputValue("##output_dir", "somewhere");
    search(test, "center_crop");
    test->ItemClick("##center_crop");
    search(test, "mixed_precision");
    test->ItemClick("##mixed_precision");
    test->ItemClick("//$FOCUSED/bf16");
  });
  const TrainConfig& train = desk.state.project.train;
  EXPECT_EQ(train.rank, 16);
  EXPECT_EQ(train.output_dir, "somewhere");
  EXPECT_TRUE(train.center_crop);
  EXPECT_EQ(train.mixed_precision, "bf16");
}

TEST(Form, AnOptionalSettingIsSetAndClearedByItsBox) {
  DeskHarness desk({}, train_form());
  desk.drive([](ImGuiTestContext* test) {
    search(test, "max_train_steps");
    test->ItemClick("##set_max_train_steps");
    test->ItemInputValue("##max_train_steps", 150);
  });
  EXPECT_EQ(desk.state.project.train.max_train_steps, 150);
  desk.drive([](ImGuiTestContext* test) { test->ItemClick("##set_max_train_steps"); });
  EXPECT_EQ(desk.state.project.train.max_train_steps, std::nullopt);
}

TEST(Form, AListGrowsAndShrinks) {
  DeskHarness desk({}, train_form());
  desk.drive([](ImGuiTestContext* test) {
    search(test, "rank_pattern");
    test->ItemClick("Add##rank_pattern");
    test->ItemInputValue("##rank_pattern_0", "*mid*=32");
    test->ItemClick("Add##rank_pattern");
    test->ItemInputValue("##rank_pattern_1", "*up*=8");
    test->ItemClick("Remove##rank_pattern_0");
  });
  EXPECT_EQ(desk.state.project.train.rank_pattern, std::vector<std::string>{"*up*=8"});
}

TEST(Form, NumbersInAListAreSeparatedByCommas) {
  DeskHarness desk({}, [](const State& state, Actions& actions, Widgets&) {
    draw_form(state, FormId::kCompare, actions);
  });
  desk.drive([](ImGuiTestContext* test) {
    search(test, "seed");
    test->ItemInputValue("##seed", "0, 7,8");
  });
  EXPECT_EQ(desk.state.project.compare.seed, (std::vector<int64_t>{0, 7, 8}));
  EXPECT_TRUE(desk.state.form(FormId::kCompare).refused.empty());
}

TEST(Form, ARefusedValueIsShownWithItsReasonUntilItIsMended) {
  DeskHarness desk({}, train_form());
  desk.drive([](ImGuiTestContext* test) {
    search(test, "rank");
    test->ItemInputValue("##rank", 0);
  });
  EXPECT_EQ(desk.state.project.train.rank, 4);
  ASSERT_TRUE(desk.state.form(FormId::kTrain).refused.contains("rank"));
  EXPECT_NE(desk.visible_text().find("rank: want a value at least 1 and at most 4096, got 0"),
            std::string::npos)
      << desk.visible_text();
  desk.drive([](ImGuiTestContext* test) { test->ItemInputValue("##rank", 8); });
  EXPECT_EQ(desk.state.project.train.rank, 8);
  EXPECT_TRUE(desk.state.form(FormId::kTrain).refused.empty());
}

TEST(Form, ResetBringsTheDefaultBack) {
  State state;
  state.project.train.rank = 32;
  DeskHarness desk(state, train_form());
  desk.drive([](ImGuiTestContext* test) {
    search(test, "rank");
    test->ItemClick("Reset##rank");
  });
  EXPECT_EQ(desk.state.project.train.rank, TrainConfig().rank);
}

TEST(Form, SearchLooksInNamesAndHelp) {
  DeskHarness desk({}, train_form());
  desk.drive([](ImGuiTestContext* test) {
    search(test, "AFTER THE FIRST");
    IM_CHECK(!test->ItemExists("##rank"));
    search(test, "RANK");
    IM_CHECK(test->ItemExists("##rank"));
    IM_CHECK(test->ItemExists("Add##rank_pattern"));
    IM_CHECK(!test->ItemExists("##learning_rate"));
  });
}

TEST(Form, ChangedOnlyHidesTheDefaults) {
  State state;
  state.project.train.rank = 32;
  DeskHarness desk(state, train_form());
  desk.drive([](ImGuiTestContext* test) {
    test->ItemClick("Changed only");
    IM_CHECK(test->ItemExists("##rank"));
    IM_CHECK(!test->ItemExists("##learning_rate"));
  });
}

TEST(Form, ASearchWithoutResultSaysSo) {
  DeskHarness desk({}, train_form());
  desk.drive([](ImGuiTestContext* test) { search(test, "no such setting"); });
  EXPECT_NE(desk.visible_text().find("No setting fits"), std::string::npos);
}

TEST(Form, APathIsAskedForWithADialog) {
  DeskHarness desk({}, train_form());
  desk.drive([](ImGuiTestContext* test) {
    search(test, "instance_data_dir");
    test->ItemClick("...##instance_data_dir");
  });
  const auto* open = desk.last_effect<OpenFileDialog>();
  ASSERT_TRUE(open);
  EXPECT_EQ(open->question.kind, FileQuestionKind::kOpenFolder);
  EXPECT_EQ(open->question.field, "instance_data_dir");
}

}  // namespace
}  // namespace dorabooth::form_ui_test
