// Walks a JPEG's marker segments and passes over the entropy-coded data between them.
#include "src/imagefile/jpeg_segments.h"

#include "src/base/error.h"

namespace dorabooth {

namespace {

constexpr int kEndOfImage = 0xd9;
constexpr int kDefineHuffmanTables = 0xc4;

int byte_at(std::string_view bytes, size_t at) {
  return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0;
}

// A stuffed 0xff is followed by 0; a fill byte by another 0xff; restart markers have no segment.
bool is_marker(std::string_view jpeg, size_t at) {
  const int next = byte_at(jpeg, at + 1);
  return byte_at(jpeg, at) == 0xff && next != 0 && next != 0xff && (next < 0xd0 || next > 0xd7);
}

}  // namespace

std::vector<JpegSegment> jpeg_segments(std::string_view jpeg) {
  std::vector<JpegSegment> segments;
  size_t at = 2;
  while (true) {
    while (at < jpeg.size() && !is_marker(jpeg, at)) ++at;
    const int marker = byte_at(jpeg, at + 1);
    const auto length = static_cast<size_t>((byte_at(jpeg, at + 2) << 8) | byte_at(jpeg, at + 3));
    if (at + 4 > jpeg.size() || marker == kEndOfImage || length < 2) return segments;
    segments.push_back({marker, at + 4, jpeg.substr(at + 4, length - 2)});
    at += 2 + length;
  }
}

void check_huffman_tables(std::string_view jpeg) {
  for (const JpegSegment& segment : jpeg_segments(jpeg)) {
    if (segment.marker != kDefineHuffmanTables) continue;
    // A table is a class and index, the number of codes of each length from 1 to 16, and the codes'
    // values. A table that runs over the segment's end is read on past it, as the decoder does
    // before it objects.
    for (size_t at = 0; at < segment.body.size();) {
      size_t codes = 0;
      for (size_t i = 1; i <= 16; ++i) {
        codes += static_cast<size_t>(byte_at(jpeg, segment.offset + at + i));
      }
      if (codes > 256) fail("a Huffman table has ", codes, " codes, more than 256");
      at += 17 + codes;
    }
  }
}

}  // namespace dorabooth
