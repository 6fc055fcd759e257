// The folder of files that come with the program: configs of SDXL base 1.0, CLIP's vocabulary, the
// small base, example pictures, fonts.
#pragma once

#include <filesystem>
#include <string>

namespace dorabooth {

// The first that exists of: ../share/dorabooth/assets beside the running program, the folder in
// the environment variable DORABOOTH_ASSETS, the assets of the source tree it was built from.
// Throws with all three if none does.
std::filesystem::path assets_folder();

// A file or folder in it; throws if it is not there.
std::filesystem::path asset_path(const std::string& name);

}  // namespace dorabooth
