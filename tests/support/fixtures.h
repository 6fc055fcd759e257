// Where the golden data lies, and its JSON. DORABOOTH_FIXTURES=DIR points the golden tests at
// another folder of the same form.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace dorabooth::testing {

std::filesystem::path fixture_path(const std::string& name);
// Kept for the life of the program, so that `for (x : fixture_json("…").at("…"))` has something to
// loop over.
const nlohmann::json& fixture_json(const std::string& name);

// The repository's root and the build folder that holds the programs.
std::filesystem::path source_dir();
std::filesystem::path binary_dir();

// A fresh empty folder, removed with everything in it at the end of its scope.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// The what() of the exception that `action` throws; "" (and a test failure) if it throws none.
template <typename Action>
std::string message_of(Action&& action) {
  try {
    action();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace dorabooth::testing
