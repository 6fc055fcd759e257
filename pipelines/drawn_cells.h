// Which cells of a comparison lie on the disk already, found without loading the base.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pipelines/compare.h"

namespace dorabooth {

struct DrawnCell {
  size_t row = 0;
  size_t column = 0;
  std::string path;
  Image image;
};

// Those whose picture says that it was drawn with these settings and these adapter files, and is
// newer than the base. Where the request leaves height, width or dtype to the base, the picture's
// are taken as the base's.
std::vector<DrawnCell> drawn_cells(const CompareRequest& request);

// When the base was last written to.
std::filesystem::file_time_type base_written(const std::filesystem::path& base);

}  // namespace dorabooth
