// Writes the generated pages: dorabooth_docs REPOSITORY.
#include <exception>
#include <fstream>
#include <iostream>
#include <sstream>

#include "src/base/error.h"
#include "ui/cli/configs_readme.h"
#include "ui/cli/foreign_flags.h"

namespace dorabooth {

namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  if (!file) fail(path.string(), ": cannot be read");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write(const fs::path& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  file.close();
  if (!file) fail(path.string(), ": cannot be written");
}

// The README's table lies between two remarks, which stay.
std::string with_table(const std::string& readme) {
  const std::string begin = "<!-- flags of the scripts: written by dorabooth_docs -->\n";
  const std::string end = "<!-- end of the flags -->\n";
  const size_t first = readme.find(begin);
  const size_t last = readme.find(end);
  if (first == std::string::npos || last == std::string::npos || last < first) {
    fail("README.md: the remarks around the table of the scripts' flags are missing");
  }
  return readme.substr(0, first + begin.size()) + script_differences_markdown() +
         readme.substr(last);
}

int write_pages(const fs::path& repository) {
  try {
    write(repository / "configs/README.md", configs_readme(repository / "configs"));
    write(repository / "README.md", with_table(text_of(repository / "README.md")));
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
  return 0;
}

}  // namespace

}  // namespace dorabooth

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: dorabooth_docs REPOSITORY\n";
    return 2;
  }
  return dorabooth::write_pages(argv[1]);
}
