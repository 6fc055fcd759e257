// The comparison through jobs, timers and files, without a model.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "src/base/atomic_file.h"
#include "tests/desktop/compare_state.h"
#include "tests/support/fixtures.h"
#include "ui/desktop/desk.h"

namespace dorabooth::compare_desk_ui_test {
namespace {

using testing::comparing_state;
using testing::TemporaryFolder;

CompareReport paint(const CompareRequest& request, Progress& progress, std::stop_token) {
  const CompareGrid grid = compare_grid(request);
  progress.on(StartedEvent{"compare", static_cast<int64_t>(grid.rows.size())});
  for (size_t row = 0; row < grid.rows.size(); ++row) {
    for (size_t column = 0; column < grid.columns.size(); ++column)
      progress.on(testing::picture_of(static_cast<int64_t>(row), static_cast<int64_t>(column), 9));
  }
  return {};
}

template <typename Condition>
bool advance_until(Desk& desk, Condition condition) {
  for (int i = 0; i < 3000; ++i) {
    desk.advance(i);
    if (condition(desk.state())) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

bool is_finished(const State& state) {
  return state.jobs[JobId::kCompare].phase == JobState::Phase::kFinished;
}

TEST(CompareDesk, AMovedStrengthIsDrawnOnceAfterAMoment) {
  const TemporaryFolder folder;
  std::vector<CompareRequest> requests;
  Pipelines pipelines;
  pipelines.compare = [&](const CompareRequest& request, Progress& progress, std::stop_token stop) {
    requests.push_back(request);
    return paint(request, progress, stop);
  };
  State state = comparing_state();
  state.places.user_config = folder.path().string();
  state.project_path = (folder.path() / "project.json").string();
  Desk desk(state, pipelines, {}, nullptr);
  desk.act(CompareAction(StartCompare{}));
  ASSERT_TRUE(advance_until(desk, is_finished));
  for (const double strength : {0.6, 0.7, 0.8})
    desk.act(CompareAction(SetColumnStrength{1, strength}));
  EXPECT_LE(desk.seconds_to_timer(), 0.25);
  ASSERT_TRUE(advance_until(desk, [&](const State& s) {
    return is_finished(s) &&
           s.compare.pictures.at({"a dog", 0, "DoRA"}).caption == "DoRA · strength 0.8";
  }));
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[1].only_column, (std::vector<std::string>{"DoRA"}));
}

TEST(CompareDesk, PicturesAreReadCopiedAndExported) {
  const TemporaryFolder folder;
  const std::string picture = (folder.path() / "a.png").string();
  write_file_atomically(picture, "a picture");
  std::string exported;
  Pipelines pipelines;
  pipelines.request_of_picture = [](const std::string& path) {
    if (path.find("foreign") != std::string::npos)
      throw std::runtime_error(path + ": was not drawn by this program");
    SampleRequest request;
    request.prompt = {"a bird"};
    request.seed = {3};
    return request;
  };
  pipelines.write_comparison = [&](const ComparisonSheet&, const std::string& path) {
    exported = path;
  };
  pipelines.survey = [](const SurveyRequest&, Progress&, std::stop_token) {
    return DatasetReport();
  };
  pipelines.picture_preview = [](const std::string&, int64_t) { return Image(8, 8); };
  pipelines.drawn_cells = [](const CompareRequest&) {
    return std::vector<DrawnCell>{{1, 0, "/a/b.png", Image(8, 8, 5)}};
  };
  State state = comparing_state();
  state.places.user_config = folder.path().string();
  state.project_path = (folder.path() / "project.json").string();
  Desk desk(state, pipelines, {}, nullptr);
  desk.act(CompareAction(LookForDrawn{}));
  ASSERT_TRUE(advance_until(desk, [](const State& s) { return !s.compare.pictures.empty(); }));
  desk.act(FileAction(FilesDropped{{picture}}));
  ASSERT_TRUE(advance_until(
      desk, [](const State& s) { return s.project.compare.prompt.at(0) == "a bird"; }));
  // Another program's brings its folder.
  desk.act(FileAction(FilesDropped{{"/a/foreign.png"}}));
  ASSERT_TRUE(advance_until(
      desk, [](const State& s) { return s.project.train.instance_data_dir == "/a"; }));
  EXPECT_EQ(desk.state().log.notices.back().message.text.find(
                "/a/foreign.png was not drawn by this program"),
            0u);
  desk.run(WriteComparison{{}, "/a/page.html"});
  ASSERT_TRUE(advance_until(desk, [](const State& s) { return !s.compare.saved.empty(); }));
  EXPECT_EQ(exported, "/a/page.html");
  const std::string copy = (folder.path() / "favourites" / "b.png").string();
  desk.run(CopyPicture{picture, copy});
  ASSERT_TRUE(advance_until(desk, [&](const State&) { return std::filesystem::exists(copy); }));
}

}  // namespace
}  // namespace dorabooth::compare_desk_ui_test
