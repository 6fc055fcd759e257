// What the Dataset window shows of the folder of pictures.
#pragma once

#include <string>
#include <vector>

namespace dorabooth {

struct DatasetState {
  // Empty until the folder was read.
  std::vector<std::string> pictures;
};

}  // namespace dorabooth
