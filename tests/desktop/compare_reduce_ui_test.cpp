// What the comparison draws when: the pictures of each cell, strengths that move, columns, settings
// of a dropped picture.
#include <gtest/gtest.h>

#include "tests/desktop/compare_state.h"

namespace dorabooth::compare_reduce_ui_test {
namespace {

using testing::comparing_state;
using testing::draw_all;
using testing::picture_of;

const CompareRequest& requested(const Effects& effects) {
  return std::get<RunCompare>(effects.at(0)).request;
}

bool asks_for(const Effects& effects, TimerId timer) {
  for (const Effect& effect : effects) {
    const auto* set = std::get_if<SetTimer>(&effect);
    if (set && set->timer == timer) return true;
  }
  return false;
}

void expect_fresh(const State& state, CellIndex cell, bool fresh) {
  const CompareGrid grid = compare_grid(drawn_request(state.project));
  EXPECT_EQ(is_fresh(state.compare, grid, cell), fresh) << cell.row << " " << cell.column;
}

TEST(CompareReduce, PicturesComeIntoTheirCells) {
  State state = comparing_state();
  EXPECT_TRUE(asks_for(draw_all(state), TimerId::kBaseUnused));
  EXPECT_EQ(state.compare.pictures.size(), 12u);
  const DrawnPicture& picture = state.compare.pictures.at({"a cat", 7, "DoRA"});
  EXPECT_EQ(picture.image->rgb_hwc[0], 32);
  EXPECT_EQ(picture.path, "/home/ann/results/sheet/003-7-DoRA.png");
  EXPECT_EQ(picture.caption, "DoRA · strength 0.5");
  EXPECT_EQ(picture.details, "seed 7 · 50 steps · guidance 5");
  expect_fresh(state, {3, 2}, true);
}

TEST(CompareReduce, WithoutAPromptABaseOrWithTwoColumnsOfANameItSaysSo) {
  for (const auto& [change, part] :
       std::vector<std::pair<std::function<void(State&)>, std::string>>{
           {[](State& s) {
              s.project.compare.prompt = {"", " "};
            },
            "prompt"},
           {[](State& s) { s.project.compare.seed.clear(); }, "seed"},
           {[](State& s) { set_base(s.project, ""); }, "base"},
           {[](State& s) { s.project.compare.column[1] = s.project.compare.column[0]; }, "LoRA"}}) {
    State state = comparing_state();
    change(state);
    EXPECT_TRUE(reduce(state, CompareAction(StartCompare{})).empty());
    ASSERT_EQ(state.log.notices.size(), 1u);
    EXPECT_NE(state.log.notices[0].message.text.find(part), std::string::npos);
  }
}

TEST(CompareReduce, KnowsWhichCellIsDrawnAndHowFarItIs) {
  State state = comparing_state();
  reduce(state, CompareAction(StartCompare{}));
  // One is kept from an earlier run: it comes before the job starts on the others.
  reduce(state, JobId::kCompare, picture_of(0, 0, 1));
  reduce(state, JobId::kCompare, StartedEvent{"compare", 11 * 10});
  reduce(state, JobId::kCompare, StepEvent{14, 110, {}, 1, 1});
  const JobState& job = state.jobs[JobId::kCompare];
  EXPECT_NEAR(cell_share(state.compare, job, {0, 2}), 0.4, 1e-9);
  EXPECT_LT(cell_share(state.compare, job, {0, 1}), 0);
}

TEST(CompareReduce, AStrengthThatMovesDrawsItsColumnAgainOnceItRests) {
  State state = comparing_state();
  draw_all(state);
  const Effects moved = reduce(state, CompareAction(SetColumnStrength{1, 0.75}));
  EXPECT_EQ(state.project.compare.column[1], "DoRA=/a/dora.safetensors:0.75");
  ASSERT_EQ(moved.size(), 1u);
  EXPECT_TRUE(asks_for(moved, TimerId::kResample));
  expect_fresh(state, {0, 2}, false);
  expect_fresh(state, {0, 1}, true);
  const Effects drawn = reduce(state, CompareAction(ResampleDue{}));
  EXPECT_EQ(requested(drawn).only_column, (std::vector<std::string>{"DoRA"}));
  EXPECT_TRUE(requested(drawn).reuse);
  reduce(state, JobId::kCompare, StartedEvent{"compare", 4 * 10});
  EXPECT_EQ(state.compare.run.queue.size(), 4u);
  reduce(state, JobId::kCompare, picture_of(0, 2, 99));
  expect_fresh(state, {0, 2}, true);
  EXPECT_EQ(state.compare.pictures.at({"a dog", 0, "DoRA"}).caption, "DoRA · strength 0.75");
}

TEST(CompareReduce, ANewerStrengthStopsTheDrawingThatRuns) {
  State state = comparing_state();
  draw_all(state);
  reduce(state, CompareAction(SetColumnStrength{1, 0.75}));
  reduce(state, CompareAction(ResampleDue{}));
  const Effects moved = reduce(state, CompareAction(SetColumnStrength{0, 0.25}));
  EXPECT_TRUE(asks_for(moved, TimerId::kResample));
  EXPECT_TRUE(std::get_if<StopJob>(&moved.at(1)));
  // The second movement stops nothing twice.
  EXPECT_EQ(reduce(state, CompareAction(SetColumnStrength{0, 0.3})).size(), 1u);
  EXPECT_TRUE(reduce(state, CompareAction(ResampleDue{})).empty());
  const Effects drawn = reduce(state, JobId::kCompare, FinishedEvent{"stopped"});
  EXPECT_EQ(requested(drawn).only_column, (std::vector<std::string>{"DoRA", "LoRA"}));
}

TEST(CompareReduce, AStrengthThatMovesInAWholeDrawingStartsTheRestAgain) {
  State state = comparing_state();
  reduce(state, CompareAction(StartCompare{}));
  reduce(state, CompareAction(SetColumnStrength{0, 0.25}));
  EXPECT_TRUE(std::holds_alternative<SetTimer>(
      reduce(state, JobId::kCompare, FinishedEvent{"stopped"}).at(0)));
  const Effects drawn = reduce(state, CompareAction(ResampleDue{}));
  EXPECT_TRUE(requested(drawn).only_column.empty());
}

TEST(CompareReduce, WithoutLiveDrawingAStrengthOnlyMarksTheCells) {
  State state = comparing_state();
  draw_all(state);
  reduce(state, CompareAction(SetLive{false}));
  EXPECT_TRUE(reduce(state, CompareAction(SetColumnStrength{1, 0.75})).empty());
  expect_fresh(state, {0, 2}, false);
}

TEST(CompareReduce, StopForgetsWhatWasStillToBeDrawn) {
  State state = comparing_state();
  reduce(state, CompareAction(StartCompare{}));
  reduce(state, CompareAction(SetColumnStrength{0, 0.25}));
  reduce(state, CompareAction(StopCompare{}));
  reduce(state, JobId::kCompare, FinishedEvent{"stopped"});
  EXPECT_EQ(state.jobs[JobId::kCompare].phase, JobState::Phase::kStopped);
  EXPECT_TRUE(reduce(state, CompareAction(ResampleDue{})).empty());
}

TEST(CompareReduce, DrawAllAgainKeepsNothing) {
  State state = comparing_state();
  draw_all(state);
  EXPECT_FALSE(requested(reduce(state, CompareAction(DrawAllAgain{}))).reuse);
  expect_fresh(state, {0, 0}, false);
}

TEST(CompareReduce, AFileThatWasOverwrittenBelongsToOneCell) {
  State state = comparing_state();
  draw_all(state);
  state.project.compare.prompt = {"a bird", "a dog", "a cat"};
  reduce(state, CompareAction(StartCompare{}));
  reduce(state, JobId::kCompare, StartedEvent{"compare", 180});
  reduce(state, JobId::kCompare, picture_of(0, 0, 50));
  EXPECT_EQ(state.compare.pictures.at({"a bird", 0, "base"}).path,
            "/home/ann/results/sheet/000-0-base.png");
  EXPECT_FALSE(state.compare.pictures.contains({"a dog", 0, "base"}));
}

TEST(CompareReduce, TheBaseLeavesTheMemoryWhenNothingDraws) {
  State state = comparing_state();
  EXPECT_TRUE(std::get_if<ReleaseBase>(&reduce(state, CompareAction(BaseUnused{})).at(0)));
  reduce(state, CompareAction(StartCompare{}));
  EXPECT_TRUE(reduce(state, CompareAction(BaseUnused{})).empty());
}

TEST(CompareReduce, ColumnsComeAndGo) {
  State state = comparing_state();
  std::vector<std::string>& columns = state.project.compare.column;
  reduce(state, CompareAction(AddColumn{"/run/dora/pytorch_lora_weights.safetensors"}));
  reduce(state, CompareAction(AddColumn{"/other/dora/pytorch_lora_weights.safetensors"}));
  EXPECT_EQ(columns[2], "dora=/run/dora/pytorch_lora_weights.safetensors");
  EXPECT_EQ(columns[3], "dora 2=/other/dora/pytorch_lora_weights.safetensors");
  reduce(state, CompareAction(RemoveColumn{3}));
  reduce(state, CompareAction(RenameColumn{2, "mine"}));
  EXPECT_EQ(columns[2], "mine=/run/dora/pytorch_lora_weights.safetensors");
  reduce(state, AppAction(UndoEdit{}));
  EXPECT_EQ(state.project.compare.column[2], "dora=/run/dora/pytorch_lora_weights.safetensors");
}

TEST(CompareReduce, ASweepTakesTheColumnsPlace) {
  State state = comparing_state();
  reduce(state, CompareAction(SetSweep{"0, 1"}));
  reduce(state, CompareAction(SweepColumn{0}));
  EXPECT_EQ(state.project.compare.column,
            (std::vector<std::string>{"LoRA 0=/a/lora.safetensors:0", "LoRA 1=/a/lora.safetensors",
                                      "DoRA=/a/dora.safetensors:0.5"}));
  reduce(state, CompareAction(SetSweep{"0, one"}));
  reduce(state, CompareAction(SweepColumn{0}));
  EXPECT_EQ(state.project.compare.column.size(), 3u);
  EXPECT_NE(state.log.notices.at(0).message.text.find("0, one"), std::string::npos);
}

TEST(CompareReduce, CheckpointsOfARunBecomeTheColumns) {
  State state = comparing_state();
  FileQuestion question;
  question.use = FileUse::kSweepCheckpoints;
  const Effects effects = reduce(state, FileAction(FileChosen{question, "/run"}));
  EXPECT_EQ(std::get<ListCheckpoints>(effects.at(0)).folder, "/run");
  reduce(state, CompareAction(CheckpointsFound{{"step 5=/run/checkpoint-5/w.safetensors"}}));
  EXPECT_EQ(state.project.compare.column.size(), 1u);
}

TEST(CompareReduce, APromptFileBecomesTheList) {
  State state = comparing_state();
  reduce(state, FileAction(TextLoaded{TextUse::kPrompts, "p.txt", "a pie\r\n\na tomato\n"}));
  EXPECT_EQ(state.project.compare.prompt, (std::vector<std::string>{"a pie", "a tomato"}));
}

TEST(CompareReduce, AFavouriteIsCopiedAndBelongsToItsSettings) {
  State state = comparing_state();
  draw_all(state);
  const Effects effects = reduce(state, CompareAction(ToggleFavourite{{0, 2}}));
  const auto& copy = std::get<CopyPicture>(effects.at(0));
  EXPECT_EQ(copy.from, "/home/ann/results/sheet/000-0-DoRA.png");
  EXPECT_EQ(state.project.favourites, (std::vector<std::string>{copy.to}));
  const CellPlace place = {"a dog", 0, "DoRA"};
  EXPECT_TRUE(is_favourite(state.project, place, state.compare.pictures.at(place)));
  reduce(state, CompareAction(ToggleFavourite{{0, 2}}));
  EXPECT_TRUE(state.project.favourites.empty());
  // An empty cell cannot be one.
  state.compare.pictures.clear();
  EXPECT_TRUE(reduce(state, CompareAction(ToggleFavourite{{0, 2}})).empty());
}

TEST(CompareReduce, ADroppedPictureSetsPromptSeedAndTheRest) {
  State state = comparing_state();
  const Effects effects = reduce(state, FileAction(FilesDropped{{"/a/picture.png"}}));
  EXPECT_EQ(std::get<LookAtPicture>(effects.at(0)).path, "/a/picture.png");
  SampleRequest picture;
  picture.pretrained_model_name_or_path = "other-base";
  picture.prompt = {"a bird"};
  picture.seed = {42};
  picture.num_inference_steps = 12;
  picture.scheduler = "euler";
  picture.adapter_path = {"/a/dora.safetensors:0.9", "/b/new.safetensors"};
  reduce(state, CompareAction(PictureTaken{picture, true}));
  const CompareRequest& compare = state.project.compare;
  EXPECT_EQ(compare.prompt, picture.prompt);
  EXPECT_EQ(compare.seed, picture.seed);
  EXPECT_EQ(compare.num_inference_steps, 12);
  EXPECT_EQ(compare.scheduler, "euler");
  EXPECT_EQ(compare.pretrained_model_name_or_path, "other-base");
  EXPECT_EQ(compare.column,
            (std::vector<std::string>{"LoRA=/a/lora.safetensors", "DoRA=/a/dora.safetensors:0.9",
                                      "new=/b/new.safetensors"}));
  EXPECT_EQ(state.focus, WindowId::kCompare);
  // Two adapters in one picture are two columns here, which is worth a word.
  EXPECT_EQ(state.log.notices.size(), 1u);
  picture.adapter_path.clear();
  picture.pretrained_model_name_or_path = "gone";
  reduce(state, CompareAction(PictureTaken{picture, false}));
  EXPECT_EQ(state.project.compare.pretrained_model_name_or_path, "other-base");
}

TEST(CompareReduce, PicturesOfAnEarlierSessionComeBack) {
  State state = comparing_state();
  testing::DeskHarness desk(state, view_of(WindowId::kCompare));
  desk.frames(5);
  ASSERT_EQ(desk.effects.size(), 1u);  // looked for once
  DrawnFound found{desk.last_effect<FindDrawn>()->request, {}};
  found.cells.push_back({3, 2, "/home/ann/results/sheet/003-7-DoRA.png", Image(8, 8, 42)});
  found.cells.push_back({0, 0, "/home/ann/results/sheet/000-0-base.png", Image(8, 8, 1)});
  // Drawn meanwhile.
  reduce(desk.state, CompareAction(StartCompare{}));
  reduce(desk.state, JobId::kCompare, picture_of(0, 0, 99));
  reduce(desk.state, CompareAction(found));
  const DrawnPicture& picture = desk.state.compare.pictures.at({"a cat", 7, "DoRA"});
  EXPECT_EQ(picture.image->rgb_hwc[0], 42);
  EXPECT_EQ(picture.caption, "DoRA · strength 0.5");
  EXPECT_EQ(desk.state.compare.pictures.at({"a dog", 0, "base"}).image->rgb_hwc[0], 99);
  expect_fresh(desk.state, {3, 2}, true);
}

TEST(CompareReduce, ExportHasTheDrawnCells) {
  State state = comparing_state();
  draw_all(state);
  state.compare.pictures.erase({"a dog", 0, "LoRA"});
  FileQuestion question;
  question.use = FileUse::kSaveComparison;
  const Effects effects = reduce(state, FileAction(FileChosen{question, "/a/page.html"}));
  const auto& write = std::get<WriteComparison>(effects.at(0));
  EXPECT_EQ(write.path, "/a/page.html");
  ASSERT_EQ(write.sheet.rows.size(), 4u);
  EXPECT_EQ(write.sheet.columns, (std::vector<std::string>{"base", "LoRA", "DoRA"}));
  EXPECT_EQ(write.sheet.rows[0].cells[1].picture, "");
  EXPECT_EQ(write.sheet.rows[3].cells[2].picture, "/home/ann/results/sheet/003-7-DoRA.png");
  EXPECT_EQ(write.sheet.rows[3].cells[2].caption,
            "DoRA · strength 0.5 · seed 7 · 50 steps · guidance 5");
}

}  // namespace
}  // namespace dorabooth::compare_reduce_ui_test
