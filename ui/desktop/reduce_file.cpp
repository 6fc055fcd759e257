// Questions for files, their answers, and what was read.
#include <cctype>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "pipelines/analysis_text.h"
#include "src/base/error.h"
#include "ui/desktop/compare_cells.h"
#include "ui/desktop/persistence.h"
#include "ui/desktop/reduce_window.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

Effects add_to_field(State& state, const FileQuestion& question, const std::string& path) {
  const ConstProjectForm form = project_form(std::as_const(state.project), question.form);
  nlohmann::json list = form.table->get(form.object, form.table->at(question.field));
  list.push_back(path);
  return reduce_form(state, SetField{question.form, question.field, list});
}

Effects save_analysis(const State& state, const std::string& path) {
  if (!state.analyze.report) return {};
  const AnalyzeReport& report = *state.analyze.report;
  const bool json = fs::path(path).extension() == ".json";
  return {SaveText{
      path, json ? analysis_json(report, "both").dump(2) + "\n" : analysis_csv(report, "both")}};
}

Effects answer(State& state, const FileQuestion& question, const std::string& path) {
  switch (question.use) {
    case FileUse::kSetField:
      return reduce_form(state, SetField{question.form, question.field, path});
    case FileUse::kAddToField:
      return add_to_field(state, question, path);
    case FileUse::kLoadTrainConfig:
      return {LoadText{TextUse::kTrainConfig, path}};
    case FileUse::kSaveTrainConfig:
      return {SaveText{path, train_fields().to_json(&state.project.train).dump(2) + "\n"}};
    case FileUse::kOpenProject:
      return {LoadText{TextUse::kProject, path}};
    case FileUse::kSaveProject:
      state.project_path = path;
      remember_recent(state.settings.recent_projects, path);
      return {};
    case FileUse::kInspect:
      return reduce_inspect(state, InspectFile{path});
    case FileUse::kAddColumn:
      return reduce_compare(state, AddColumn{path});
    case FileUse::kSweepCheckpoints:
      return {ListCheckpoints{path}};
    case FileUse::kLoadPrompts:
      return {LoadText{TextUse::kPrompts, path}};
    case FileUse::kTakePicture:
      return reduce_compare(state, TakePicture{path});
    case FileUse::kSaveComparison:
      return {WriteComparison{comparison_sheet(state), path}};
    case FileUse::kSaveAnalysis:
      return save_analysis(state, path);
  }
  return {};
}

void load_train_config(State& state, const std::string& path, const std::string& text) {
  TrainConfig config;
  train_fields().from_json(&config, nlohmann::json::parse(text), path);
  state.project.train = config;
  state.form(FormId::kTrain).refused.clear();
  set_base(state.project, config.pretrained_model_name_or_path);
}

// What a preset says of places is an example: what was chosen before stays.
void load_preset(State& state, const std::string& path, const std::string& text) {
  const TrainConfig before = state.project.train;
  load_train_config(state, path, text);
  const fs::path root = fs::path(state.places.assets).parent_path();
  TrainConfig& train = state.project.train;
  train.output_dir = before.output_dir;
  if (before.instance_data_dir.empty()) {
    train.instance_data_dir = (root / train.instance_data_dir).string();
  } else {
    train.instance_data_dir = before.instance_data_dir;
    train.instance_prompt = before.instance_prompt;
    train.class_data_dir = before.class_data_dir;
    train.class_prompt = before.class_prompt;
  }
  const std::string& base = before.pretrained_model_name_or_path;
  set_base(state.project,
           base.empty() ? (root / train.pretrained_model_name_or_path).string() : base);
}

// The preset's paths are relative to the folder that holds assets/ and configs/.
void load_quickstart(State& state, const std::string& path, const std::string& text) {
  load_train_config(state, path, text);
  const fs::path root = fs::path(state.places.assets).parent_path();
  TrainConfig& train = state.project.train;
  train.instance_data_dir = (root / train.instance_data_dir).string();
  train.output_dir = (fs::path(state.places.results) / "quickstart").string();
  set_base(state.project, (root / train.pretrained_model_name_or_path).string());
  show_window(state, WindowId::kTrain);
}

void load_project(State& state, const std::string& path, const std::string& text) {
  state.project = project_from_json(nlohmann::json::parse(text), path);
  state.project_path = path;
  state.undo = {};
  state.forms = {};
  state.compare.looked = false;
  remember_recent(state.settings.recent_projects, path);
}

void load_prompts(State& state, const std::string& text) {
  std::istringstream lines(text);
  std::vector<std::string> prompts;
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) prompts.push_back(line);
  }
  state.project.compare.prompt = std::move(prompts);
}

void take_text(State& state, const TextLoaded& loaded) {
  try {
    switch (loaded.use) {
      case TextUse::kTrainConfig:
        return load_train_config(state, loaded.path, loaded.text);
      case TextUse::kPreset:
        return load_preset(state, loaded.path, loaded.text);
      case TextUse::kMetrics:
        return take_metrics(state.train, loaded.text);
      case TextUse::kQuickstart:
        return load_quickstart(state, loaded.path, loaded.text);
      case TextUse::kPrompts:
        return load_prompts(state, loaded.text);
      case TextUse::kProject:
        return load_project(state, loaded.path, loaded.text);
    }
  } catch (const nlohmann::json::exception& error) {
    add_message(state.log,
                {MessageKind::kError, "files", concat(loaded.path, ": not JSON: ", error.what())});
  } catch (const Error& error) {
    add_message(state.log, {MessageKind::kError, "files", error.what()});
  }
}

// In lower case: ".png".
std::string ending_of(const std::string& path) {
  std::string ending = fs::path(path).extension().string();
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return ending;
}

bool is_picture(const std::string& path) {
  static const std::set<std::string> kEndings = {".png",  ".jpg", ".jpeg", ".bmp",
                                                 ".webp", ".tif", ".tiff"};
  return kEndings.contains(ending_of(path));
}

// A folder of pictures is the dataset, a model or adapter is inspected, a picture of ours brings
// its settings to the comparison, another one its folder.
Effects take_dropped(State& state, const std::string& path) {
  if (ending_of(path) == ".safetensors") return reduce_inspect(state, InspectFile{path});
  if (ending_of(path) == ".json") return {LoadText{TextUse::kTrainConfig, path}};
  if (is_picture(path)) return {LookAtPicture{path}};
  return {LookAtFolder{path}};
}

Effects take_all_dropped(State& state, const std::vector<std::string>& paths) {
  Effects all;
  std::set<fs::path> folders;  // many pictures of a folder are one folder
  for (const std::string& path : paths) {
    if (is_picture(path) && !folders.insert(fs::path(path).parent_path()).second) continue;
    for (Effect& effect : take_dropped(state, path)) all.push_back(std::move(effect));
  }
  return all;
}

Effects take_folder_of(State& state, const ForeignPictureFound& picture) {
  const std::string folder = fs::path(picture.path).parent_path().string();
  add_message(state.log, {MessageKind::kInfo, "dataset", picture.reason});
  add_message(state.log, {MessageKind::kWarning, "dataset",
                          concat(picture.path, " was not drawn by this program: its folder ",
                                 "is now the folder of pictures to train on. Ctrl+Z takes that "
                                 "back.")});
  Effects effects = reduce_start(state, ChooseDataset{folder});
  for (Effect& effect : reduce_dataset(state, SelectPicture{picture.path}))
    effects.push_back(std::move(effect));
  return effects;
}

Effects list_picker_folder(State& state, const std::string& folder) {
  state.picker.folder = folder;
  state.picker.entries.clear();
  return {ListFolder{folder}};
}

Effects open_picker(State& state, const FileQuestion& question) {
  state.picker = {};
  state.picker.question = question;
  fs::path start = question.start;
  if (question.kind == FileQuestionKind::kSaveFile) state.picker.name = start.filename().string();
  if (question.kind != FileQuestionKind::kOpenFolder) start = start.parent_path();
  return list_picker_folder(state, start.empty() ? state.places.home : start.string());
}

Effects close_picker(State& state, bool accepted) {
  const PickerState picker = std::exchange(state.picker, {});
  if (!accepted || !picker.question) return {};
  fs::path path = picker.folder;
  if (!picker.name.empty()) path /= picker.name;
  return answer(state, *picker.question, path.string());
}

}  // namespace

Effects reduce_file(State& state, const FileAction& action) {
  return std::visit(
      Overloaded{
          [&](const NewProject&) -> Effects {
            state.project = new_project(state.places);
            state.project_path = default_project_path(state.places);
            state.undo = {};
            state.forms = {};
            show_window(state, WindowId::kStart);
            return {};
          },
          [&](const AskForFile& ask) -> Effects { return {OpenFileDialog{ask.question}}; },
          [&](const FileChosen& chosen) { return answer(state, chosen.question, chosen.path); },
          [&](const TextLoaded& loaded) -> Effects {
            take_text(state, loaded);
            return {};
          },
          [&](const FilesDropped& dropped) { return take_all_dropped(state, dropped.paths); },
          [&](const ForeignPictureFound& picture) { return take_folder_of(state, picture); },
          [&](const FolderLooked& looked) {
            return looked.model ? reduce_inspect(state, InspectFile{looked.folder})
                                : reduce_start(state, ChooseDataset{looked.folder});
          },
          [&](const PickerOpened& opened) { return open_picker(state, opened.question); },
          [&](const PickerGo& go) {
            // What was chosen in the other folder is not in this one.
            if (state.picker.question && state.picker.question->kind != FileQuestionKind::kSaveFile)
              state.picker.name.clear();
            return list_picker_folder(state, go.folder);
          },
          [&](const PickerName& name) -> Effects {
            state.picker.name = name.name;
            return {};
          },
          [&](const PickerClosed& closed) { return close_picker(state, closed.accepted); },
          [&](const FolderListed& listed) -> Effects {
            if (listed.folder == state.picker.folder) state.picker.entries = listed.entries;
            return {};
          },
      },
      action);
}

}  // namespace dorabooth
