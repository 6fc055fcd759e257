// Writes the generated pages: dorabooth_docs REPOSITORY.
#include <fstream>
#include <iostream>

#include "ui/cli/configs_readme.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: dorabooth_docs REPOSITORY\n";
    return 2;
  }
  const std::string path = std::string(argv[1]) + "/configs/README.md";
  std::ofstream file(path);
  file << dorabooth::configs_readme();
  file.close();
  if (!file) {
    std::cerr << path << ": cannot be written\n";
    return 1;
  }
  return 0;
}
