// Paths are compiled in; DORABOOTH_FIXTURES wins over the unpacked golden data.
#include "tests/support/fixtures.h"

#include <cstdlib>
#include <map>

#include "src/base/atomic_file.h"
#include "src/base/error.h"

namespace dorabooth::testing {

namespace fs = std::filesystem;

fs::path fixture_path(const std::string& name) {
  const char* folder = std::getenv("DORABOOTH_FIXTURES");
  return fs::path(folder ? folder : DORABOOTH_GOLDEN_DIR) / name;
}

const nlohmann::json& fixture_json(const std::string& name) {
  static std::map<std::string, nlohmann::json> documents;
  const auto found = documents.find(name);
  if (found != documents.end()) return found->second;
  return documents[name] = nlohmann::json::parse(read_file(fixture_path(name)));
}

fs::path source_dir() { return DORABOOTH_SOURCE_DIR; }
fs::path binary_dir() { return DORABOOTH_BINARY_DIR; }

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (fs::temp_directory_path() / "dorabooth-test-XXXXXX").string();
  if (!mkdtemp(pattern.data())) fail("cannot create ", pattern);
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace dorabooth::testing
