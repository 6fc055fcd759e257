// What surveys know of the picture files that they have read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace dorabooth {

// A file that has not changed since is not decoded again, and its thumbnail is not told again. It
// forgets everything when a survey reads another folder. One survey at a time.
struct SurveyCache {
  struct Picture {
    std::filesystem::file_time_type written;
    uintmax_t bytes = 0;
    int64_t thumbnail_size = 0;
    int width = 0;
    int height = 0;
    std::string sha256;
    std::string error;  // why it cannot be read; ""
  };

  std::string folder;                       // of the pictures
  std::map<std::string, Picture> pictures;  // by path
};

}  // namespace dorabooth
