// What the Compare window shows beside the request: the grid of pictures.
#pragma once

#include <cstdint>

namespace dorabooth {

struct CompareState {
  // Columns are the request's.
  int64_t pictures_drawn = 0;
};

}  // namespace dorabooth
