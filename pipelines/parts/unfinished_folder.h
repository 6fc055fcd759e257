// A command's output folder that grows under a temporary name beside it and is renamed when it is
// complete, so that it is there whole or not at all.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace dorabooth {

// Throws unless the folder is new, empty, or has the file `receipt`, which tells that the same
// command wrote it.
void check_output_folder(const std::filesystem::path& folder, const std::string& receipt);

class UnfinishedFolder {
 public:
  explicit UnfinishedFolder(const std::filesystem::path& target);
  // Removes what was not published.
  ~UnfinishedFolder();
  UnfinishedFolder(const UnfinishedFolder&) = delete;
  UnfinishedFolder& operator=(const UnfinishedFolder&) = delete;

  // `name` is relative; makes the folders on its way.
  void write(const std::string& name, std::string_view bytes);
  void publish();

 private:
  std::filesystem::path target_;
  std::filesystem::path path_;
};

}  // namespace dorabooth
