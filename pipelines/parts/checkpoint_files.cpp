// Sizes are compared before anything is read: a file that was cut is found at once.
#include "pipelines/parts/checkpoint_files.h"

#include <nlohmann/json.hpp>

#include "src/base/error.h"
#include "src/base/hash.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

// The list is read from a file, and a name in it may say anything.
bool stays_inside(const fs::path& name) {
  const fs::path normal = name.lexically_normal();
  return !normal.empty() && normal.is_relative() && *normal.begin() != "..";
}

bool is_entry(const json& entry) {
  return entry.is_object() && entry.contains("bytes") && entry["bytes"].is_number_unsigned() &&
         entry.contains("sha256") && entry["sha256"].is_string();
}

std::string wrong_size(const fs::path& folder, const std::string& name, const json& entry) {
  if (!is_entry(entry) || !stays_inside(name)) return "its list of files is damaged";
  std::error_code error;
  const uintmax_t bytes = fs::file_size(folder / name, error);
  if (error) return concat(name, ": ", error.message());
  const auto want = entry["bytes"].get<uintmax_t>();
  return bytes == want ? "" : concat(name, " has ", bytes, " bytes, want ", want);
}

}  // namespace

json list_files(const fs::path& folder) {
  json files = json::object();
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    files[fs::relative(entry.path(), folder).string()] = {{"bytes", entry.file_size()},
                                                          {"sha256", sha256_of_file(entry.path())}};
  }
  return files;
}

std::string damage_in(const fs::path& folder, const json& listed) {
  if (!listed.is_object()) return "its list of files is damaged";
  for (const auto& [name, entry] : listed.items()) {
    if (const std::string damage = wrong_size(folder, name, entry); !damage.empty()) return damage;
  }
  try {
    for (const auto& [name, entry] : listed.items()) {
      if (sha256_of_file(folder / name) != entry["sha256"].get<std::string>()) {
        return name + " does not hold what was written (its SHA-256 is another)";
      }
    }
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace dorabooth
