#include "pipelines/parts/unfinished_folder.h"

#include <unistd.h>

#include <fstream>

#include "src/base/atomic_file.h"
#include "src/base/error.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

// Without a slash at the end.
fs::path folder_path(const fs::path& given) {
  const fs::path path = given.lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

}  // namespace

void check_output_folder(const fs::path& folder, const std::string& receipt) {
  if (!fs::exists(folder)) return;
  if (!fs::is_directory(folder)) fail(folder.string(), " is a file; want a folder");
  if (!fs::is_empty(folder) && !fs::exists(folder / receipt)) {
    fail(folder.string(), " holds files that this command did not write (no ", receipt,
         " in it); want an empty or a new folder");
  }
}

UnfinishedFolder::UnfinishedFolder(const fs::path& target)
    : target_(folder_path(target)), path_(target_.string() + ".tmp" + std::to_string(::getpid())) {
  fs::remove_all(path_);
  fs::create_directories(path_);
}

UnfinishedFolder::~UnfinishedFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void UnfinishedFolder::write(const std::string& name, std::string_view bytes) {
  const fs::path path = path_ / name;
  fs::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  file.close();
  if (!file) fail(path.string(), " cannot be written");
}

void UnfinishedFolder::publish() { dorabooth::publish(path_, target_); }

}  // namespace dorabooth
