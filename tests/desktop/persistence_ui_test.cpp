// What survives the end of the program.
#include "ui/desktop/persistence.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "src/base/atomic_file.h"
#include "tests/desktop/desk_harness.h"
#include "tests/support/fixtures.h"

namespace dorabooth::persistence_ui_test {
namespace {

using testing::state_in;
using testing::TemporaryFolder;

void write(const std::vector<SaveText>& files) {
  for (const SaveText& file : files) {
    std::filesystem::create_directories(std::filesystem::path(file.path).parent_path());
    write_file_atomically(file.path, file.text);
  }
}

TEST(Persistence, ProjectAndSettingsComeBack) {
  const TemporaryFolder folder;
  State state = state_in(folder.path());
  AutoSave save(state);
  state.project.train.rank = 8;
  state.project.compare.prompt = {"a 狐 in the snow"};
  state.project.merge.layout = "unet";
  state.project.convert.to = "comfyui";
  state.project.convert.verify = false;
  state.project.analyze.run = {"out/dog"};
  state.project.favourites = {"a.png"};
  state.project.unfinished_run.emplace().output_dir = "out/dog";
  state.project.trained_adapters = {"out/cat/pytorch_lora_weights.safetensors"};
  state.settings.theme = "light";
  state.settings.recent_bases = {"sdxl-base"};
  write(save.due(state, 10));
  const State restored = restore_state(state.places, "");
  EXPECT_EQ(project_to_json(restored.project), project_to_json(state.project));
  EXPECT_EQ(restored.settings.theme, "light");
  EXPECT_EQ(restored.settings.recent_bases, state.settings.recent_bases);
  EXPECT_TRUE(restored.log.messages.empty());
}

TEST(Persistence, AProjectFromBeforeTheConversionAndTheAnalysisIsRead) {
  State state = state_in("/home/ann");
  set_base(state.project, "sdxl-base");
  nlohmann::json old = project_to_json(state.project);
  old.erase("convert");
  old.erase("analyze");
  const Project read = project_from_json(old, "p.json");
  EXPECT_EQ(project_to_json(read), project_to_json(state.project));
}

TEST(Persistence, OnlyWhatChangedIsWrittenAndAtMostOnceASecond) {
  State state = state_in("/home/ann");
  AutoSave save(state);
  EXPECT_TRUE(save.due(state, 10).empty());
  state.project.train.rank = 8;
  EXPECT_TRUE(save.due(state, 10.5).empty());
  const auto files = save.due(state, 11);
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(files[0].path, "/home/ann/config/project.json");
  EXPECT_TRUE(save.due(state, 12).empty());
  state.project.train.rank = 16;
  EXPECT_EQ(save.due(state, 12.1, /*at_once=*/true).size(), 1u);
}

TEST(Persistence, AProjectSavedUnderAnotherNameIsKeptThereFromThenOn) {
  State state = state_in("/home/ann");
  AutoSave save(state);
  FileQuestion question;
  question.use = FileUse::kSaveProject;
  reduce(state, FileAction(FileChosen{question, "/home/ann/dog.json"}));
  const auto files = save.due(state, 10);
  ASSERT_FALSE(files.empty());
  EXPECT_EQ(files.back().path, "/home/ann/dog.json");
}

TEST(Persistence, ABrokenProjectIsSetAsideAndReported) {
  const TemporaryFolder folder;
  const State state = state_in(folder.path());
  const std::string path = default_project_path(state.places);
  write({{path, "{\"version\": 1"}});
  const State restored = restore_state(state.places, "");
  ASSERT_EQ(restored.log.notices.size(), 1u);
  EXPECT_NE(restored.log.notices[0].message.text.find(path), std::string::npos);
  EXPECT_EQ(read_file(path + ".unreadable"), "{\"version\": 1");
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Persistence, AProjectOfALaterVersionIsNotRead) {
  EXPECT_NE(testing::message_of([] {
              project_from_json({{"version", 2}}, "p.json");
            }).find("p.json: a project of version 2"),
            std::string::npos);
  EXPECT_NE(testing::message_of([] {
              project_from_json({{"version", 1}}, "p.json");
            }).find("p.json: not a project file"),
            std::string::npos);
}

TEST(Persistence, RecentFilesHaveTheLastOneFirstAndOnce) {
  std::vector<std::string> recent;
  for (int i = 0; i < 12; ++i) remember_recent(recent, std::to_string(i));
  remember_recent(recent, "7");
  EXPECT_EQ(recent.size(), 10u);
  EXPECT_EQ(recent[0], "7");
  EXPECT_EQ(recent[1], "11");
  EXPECT_EQ(std::count(recent.begin(), recent.end(), "7"), 1);
}

}  // namespace
}  // namespace dorabooth::persistence_ui_test
