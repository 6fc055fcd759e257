// EXIF orientation: tag 274 and the eight ways in which a picture can be stored.
#include "src/imagefile/exif.h"

#include <cstdint>
#include <utility>

#include "src/imagefile/jpeg_segments.h"

namespace dorabooth {

namespace {

constexpr uint32_t kOrientationTag = 0x0112;
constexpr uint32_t kTypeShort = 3;

// Unsigned integers in the block's byte order; anything outside the block reads as zero.
class TiffBytes {
 public:
  explicit TiffBytes(std::string_view bytes) : bytes_(bytes) {
    little_ = bytes.substr(0, 4) == std::string_view("II*\0", 4);
    valid_ = little_ || bytes.substr(0, 4) == std::string_view("MM\0*", 4);
  }
  bool valid() const { return valid_; }
  uint32_t read(size_t at, size_t count) const {
    if (at > bytes_.size() || bytes_.size() - at < count) return 0;
    uint32_t value = 0;
    for (size_t i = 0; i < count; ++i) {
      const size_t byte = little_ ? count - 1 - i : i;
      value = (value << 8) | static_cast<unsigned char>(bytes_[at + byte]);
    }
    return value;
  }

 private:
  std::string_view bytes_;
  bool little_ = false;
  bool valid_ = false;
};

}  // namespace

int exif_orientation(std::string_view tiff) {
  const TiffBytes bytes(tiff);
  if (!bytes.valid()) return 1;
  const size_t directory = bytes.read(4, 4);
  const uint32_t entries = bytes.read(directory, 2);
  for (uint32_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + size_t{12} * i;
    if (bytes.read(entry, 2) != kOrientationTag) continue;
    const uint32_t value = bytes.read(entry + 8, 2);
    const bool usable = bytes.read(entry + 2, 2) == kTypeShort && value >= 1 && value <= 8;
    return usable ? static_cast<int>(value) : 1;
  }
  return 1;
}

int jpeg_exif_orientation(std::string_view jpeg) {
  constexpr std::string_view kMarker("Exif\0\0", 6);
  for (const JpegSegment& segment : jpeg_segments(jpeg)) {
    if (segment.marker == 0xe1 && segment.body.substr(0, 6) == kMarker) {
      return exif_orientation(segment.body.substr(6));
    }
  }
  return 1;
}

Image apply_orientation(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool transposed = orientation >= 5;
  Image turned(transposed ? image.height : image.width, transposed ? image.width : image.height);
  for (int y = 0; y < turned.height; ++y) {
    for (int x = 0; x < turned.width; ++x) {
      int from_x = transposed ? y : x;
      int from_y = transposed ? x : y;
      if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8) {
        from_x = image.width - 1 - from_x;
      }
      if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7) {
        from_y = image.height - 1 - from_y;
      }
      const uint8_t* source = image.pixel(from_x, from_y);
      uint8_t* target = turned.pixel(x, y);
      target[0] = source[0];
      target[1] = source[1];
      target[2] = source[2];
    }
  }
  return turned;
}

}  // namespace dorabooth
