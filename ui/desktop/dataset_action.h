// Actions of the Dataset window.
#pragma once

#include <string>
#include <variant>
#include <vector>

namespace dorabooth {

struct ReadDataset {};
struct DatasetRead {
  std::vector<std::string> pictures;
};

using DatasetAction = std::variant<ReadDataset, DatasetRead>;

}  // namespace dorabooth
