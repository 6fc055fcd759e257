// The marker segments of a JPEG file (ITU T.81, annex B), also those between the scans of a
// progressive one.
#pragma once

#include <string_view>
#include <vector>

namespace dorabooth {

struct JpegSegment {
  int marker = 0;         // 0xe1 for APP1
  size_t offset = 0;      // of the body in the file
  std::string_view body;  // without marker and length; shorter than stated where the file ends
};

// Ends quietly at the end of the picture or at damage: the decoder judges the file.
std::vector<JpegSegment> jpeg_segments(std::string_view jpeg);

// Throws for a Huffman table of more than 256 codes, which stb_image would write past the end of
// its own.
void check_huffman_tables(std::string_view jpeg);

}  // namespace dorabooth
