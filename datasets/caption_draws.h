// What becomes of a caption each time that its picture is shown: nothing at all now and then, or
// its parts in another order. Pure functions of seed, micro-step and row.
#pragma once

#include <cstdint>
#include <string>

namespace dorabooth {

struct CaptionOptions {
  double empty_share = 0.0;  // of the rows that get the empty prompt (classifier-free guidance)
  bool shuffle = false;      // the parts between separators, but for the first `keep_tokens`
  int64_t keep_tokens = 0;
  std::string separator = ",";
};

// `stream` opens the names of the random streams: "instance".
std::string drawn_caption(const CaptionOptions& options, const std::string& caption, uint64_t seed,
                          const std::string& stream, int64_t micro_step, uint32_t row);

}  // namespace dorabooth
