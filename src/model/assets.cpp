// Search order of the assets folder.
#include "src/model/assets.h"

#include <cstdlib>
#include <vector>

#include "src/base/error.h"

namespace dorabooth {

namespace fs = std::filesystem;

fs::path assets_folder() {
  std::vector<fs::path> places;
  std::error_code unknown;
  const fs::path program = fs::read_symlink("/proc/self/exe", unknown);
  if (!unknown) {
    places.push_back(program.parent_path().parent_path() / "share" / "dorabooth" / "assets");
  }
  if (const char* given = std::getenv("DORABOOTH_ASSETS"); given && *given) {
    places.emplace_back(given);
  }
  places.emplace_back(DORABOOTH_SOURCE_ASSETS);
  std::string tried;
  for (const fs::path& place : places) {
    if (fs::is_directory(place)) return place;
    tried += (tried.empty() ? "" : ", ") + place.string();
  }
  fail("the program's assets folder is not there (looked for ", tried,
       "): set DORABOOTH_ASSETS to it");
}

fs::path asset_path(const std::string& name) {
  const fs::path path = assets_folder() / name;
  if (!fs::exists(path)) fail(path.string(), " is missing from the program's assets");
  return path;
}

}  // namespace dorabooth
