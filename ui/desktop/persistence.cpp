#include "ui/desktop/persistence.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "src/base/atomic_file.h"
#include "src/base/error.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string settings_text(const State& state) {
  return settings_fields().to_json(&state.settings).dump(2) + "\n";
}

// The path is part of the text that is compared: a project that moved is written again.
std::string project_text(const State& state) {
  return project_to_json(state.project).dump(2) + "\n";
}

// Reads what `take` makes of the JSON; a file that is broken is set aside.
template <typename Take>
void read_json(State& state, const std::string& path, Take&& take) {
  if (!fs::exists(path)) return;
  try {
    take(json::parse(read_file(path)));
  } catch (const std::exception& error) {
    std::error_code ignored;
    fs::rename(path, path + ".unreadable", ignored);
    add_message(state.log, {MessageKind::kError, "files",
                            concat("the saved state could not be read and was set aside as ", path,
                                   ".unreadable: ", error.what())});
  }
}

std::vector<std::string> json_files(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

Places find_places() {
  Places places;
  places.home = environment("HOME").empty() ? "/" : environment("HOME");
  const std::string config = environment("XDG_CONFIG_HOME");
  places.user_config =
      ((config.empty() ? fs::path(places.home) / ".config" : fs::path(config)) / "dorabooth")
          .string();
  places.results = (fs::path(places.home) / "dorabooth").string();
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  // Installed, and in the build folder.
  for (const fs::path& root : {program / "../share/dorabooth", program / "../.."}) {
    if (!fs::exists(root / "assets" / "base")) continue;
    places.assets = fs::canonical(root / "assets").string();
    places.configs = (fs::canonical(root) / "configs").string();
    break;
  }
  return places;
}

std::string settings_path(const Places& places) {
  return (fs::path(places.user_config) / "settings.json").string();
}

std::string default_project_path(const Places& places) {
  return (fs::path(places.user_config) / "project.json").string();
}

std::string layout_path(const Places& places) {
  return (fs::path(places.user_config) / "layout-1.ini").string();
}

Project new_project(const Places& places) {
  Project project;
  project.train.output_dir = (fs::path(places.results) / "run").string();
  project.merge.output_dir = (fs::path(places.results) / "merged").string();
  project.compare.output = (fs::path(places.results) / "sheet.png").string();
  return project;
}

State restore_state(const Places& places, const std::string& project_path) {
  State state;
  state.places = places;
  state.train.presets = json_files(places.configs);
  state.project = new_project(places);
  state.project_path = project_path.empty() ? default_project_path(places) : project_path;
  read_json(state, settings_path(places), [&](const json& values) {
    settings_fields().from_json(&state.settings, values, settings_path(places));
  });
  read_json(state, state.project_path, [&](const json& values) {
    state.project = project_from_json(values, state.project_path);
  });
  return state;
}

AutoSave::AutoSave(const State& state)
    : settings_(settings_text(state)), project_(state.project_path + project_text(state)) {}

std::vector<SaveText> AutoSave::due(const State& state, double seconds, bool at_once) {
  if (!at_once && seconds - last_ < 1.0) return {};
  last_ = seconds;
  std::vector<SaveText> files;
  if (std::string text = settings_text(state); text != settings_) {
    files.push_back({settings_path(state.places), text});
    settings_ = std::move(text);
  }
  const std::string text = project_text(state);
  if (std::string keyed = state.project_path + text; keyed != project_) {
    files.push_back({state.project_path, text});
    project_ = std::move(keyed);
  }
  return files;
}

}  // namespace dorabooth
