// Walks a JPEG's marker segments up to the first scan.
#include "src/imagefile/jpeg_segments.h"

namespace dorabooth {

std::vector<JpegSegment> jpeg_segments(std::string_view jpeg) {
  constexpr int kStartOfScan = 0xda;
  const auto byte = [&](size_t at) {
    return static_cast<int>(static_cast<unsigned char>(jpeg[at]));
  };
  std::vector<JpegSegment> segments;
  size_t at = 2;
  while (at + 4 <= jpeg.size() && byte(at) == 0xff) {
    const int marker = byte(at + 1);
    if (marker == 0xff) {  // fill byte
      ++at;
      continue;
    }
    const auto length = static_cast<size_t>((byte(at + 2) << 8) | byte(at + 3));
    if (marker == kStartOfScan || length < 2 || jpeg.size() - at - 2 < length) break;
    segments.push_back({marker, jpeg.substr(at + 4, length - 2)});
    at += 2 + length;
  }
  return segments;
}

}  // namespace dorabooth
