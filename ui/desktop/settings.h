// What the program remembers of its user, apart from any project: settings.json.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/config/field_list.h"

namespace dorabooth {

struct Settings {
  std::string theme = "dark";
  double scale = 0.0;  // of text and widgets; 0: the screen's own
  int64_t window_width = 1280;
  int64_t window_height = 720;
  bool window_maximized = false;
  std::vector<std::string> recent_projects;  // the last one first
  std::vector<std::string> recent_bases;
  std::vector<std::string> recent_datasets;
};

const FieldList<Settings>& settings_fields();

// Puts `path` first, once; keeps ten.
void remember_recent(std::vector<std::string>& recent, const std::string& path);

}  // namespace dorabooth
