#include "ui/desktop/settings.h"

#include <algorithm>

namespace dorabooth {

const FieldList<Settings>& settings_fields() {
  static const FieldList<Settings> list = [] {
    FieldList<Settings> f;
    f.group("Window");
    f.add("theme", &Settings::theme, "Colours of the windows.").one_of({"dark", "light"});
    f.add("scale", &Settings::scale, "Size of text and widgets; 0: the screen's own.")
        .at_least(0)
        .at_most(4);
    f.add("window_width", &Settings::window_width, "Width in pixels.").at_least(320);
    f.add("window_height", &Settings::window_height, "Height in pixels.").at_least(240);
    f.add("window_maximized", &Settings::window_maximized, "Whether it fills the screen.");
    f.group("Recent");
    f.add("recent_projects", &Settings::recent_projects, "Project files.");
    f.add("recent_bases", &Settings::recent_bases, "Bases.");
    f.add("recent_datasets", &Settings::recent_datasets, "Folders of pictures.");
    return f;
  }();
  return list;
}

void remember_recent(std::vector<std::string>& recent, const std::string& path) {
  constexpr size_t kKept = 10;
  recent.erase(std::remove(recent.begin(), recent.end(), path), recent.end());
  recent.insert(recent.begin(), path);
  if (recent.size() > kKept) recent.resize(kKept);
}

}  // namespace dorabooth
