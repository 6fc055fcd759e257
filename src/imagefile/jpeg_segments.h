// The marker segments of a JPEG file before its first scan (ITU T.81, annex B).
#pragma once

#include <string_view>
#include <vector>

namespace dorabooth {

struct JpegSegment {
  int marker = 0;         // 0xe1 for APP1
  std::string_view body;  // without marker and length
};

// Ends quietly at the first scan or at damage: the decoder judges the file.
std::vector<JpegSegment> jpeg_segments(std::string_view jpeg);

}  // namespace dorabooth
