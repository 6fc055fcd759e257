// What the Inspect window shows of a file or folder.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "pipelines/reader_verdict.h"

namespace dorabooth {

struct InspectState {
  std::string path;  // "" until a file was given
  std::string summary;
  std::vector<std::pair<std::string, std::string>> facts;
  std::vector<std::string> problems;
  std::string base;  // that an adapter was checked against; "" without one
  bool adapter = false;
  std::vector<ReaderVerdict> readers;  // what other programs make of it
  std::string json;                    // all of it, for programs
};

}  // namespace dorabooth
