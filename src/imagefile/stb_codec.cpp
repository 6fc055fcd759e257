// JPEG (baseline and progressive) and BMP through stb_image; JPEG encoding through stb_image_write.
#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "src/base/error.h"
#include "src/imagefile/codecs.h"
#include "src/imagefile/exif.h"
#include "src/imagefile/jpeg_segments.h"

// stb_image's own defaults would abort on a broken invariant and leave parts of a damaged picture
// uninitialised.
#define STBI_ASSERT(condition)                                          \
  do {                                                                  \
    if (!(condition)) dorabooth::fail("stb_image expects " #condition); \
  } while (false)
#define STBI_MALLOC(size) std::calloc(1, size)
#define STBI_REALLOC(pointer, size) std::realloc(pointer, size)
#define STBI_FREE(pointer) std::free(pointer)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#define STBI_ONLY_JPEG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS 16384
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>
#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>
#pragma GCC diagnostic pop

namespace dorabooth {

namespace codecs {

namespace {

static_assert(STBI_MAX_DIMENSIONS == kMaxPictureSide);

int size_of(std::string_view bytes) {
  if (bytes.size() > INT_MAX) fail("the file has ", bytes.size(), " bytes, more than ", INT_MAX);
  return static_cast<int>(bytes.size());
}

Pixels decode(std::string_view bytes) {
  int width = 0;
  int height = 0;
  int channels = 0;
  const std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> decoded(
      stbi_load_from_memory(data_of(bytes), size_of(bytes), &width, &height, &channels, 4),
      stbi_image_free);
  if (!decoded) {
    fail("the data is damaged or of a kind that is not read (", stbi_failure_reason(), ")");
  }
  Pixels pixels;
  pixels.width = width;
  pixels.height = height;
  const size_t count = static_cast<size_t>(width) * static_cast<size_t>(height) * 4;
  pixels.rgba_hwc.assign(decoded.get(), decoded.get() + count);
  return pixels;
}

int64_t little_endian(std::string_view bytes, size_t at, size_t count) {
  uint32_t value = 0;
  for (size_t i = count; i-- > 0;) value = (value << 8) | static_cast<unsigned char>(bytes[at + i]);
  return count == 2 ? value : static_cast<int32_t>(value);
}

struct BmpFields {
  int64_t width = 0;
  int64_t height = 0;
  int64_t bits = 0;
  int64_t palette_at = 0;
  int64_t palette_entry_bytes = 4;
  int64_t pixels_at = 0;
  bool run_length = false;
};

BmpFields bmp_fields(std::string_view bytes) {
  if (bytes.size() < 34) fail("the file ends too early");
  BmpFields fields;
  const int64_t header_bytes = little_endian(bytes, 14, 4);
  const bool old_header = header_bytes == 12;
  fields.width = old_header ? little_endian(bytes, 18, 2) : little_endian(bytes, 18, 4);
  // A negative height stores the rows from the top.
  const int64_t height = old_header ? little_endian(bytes, 20, 2) : little_endian(bytes, 22, 4);
  fields.height = height < 0 ? -height : height;
  fields.bits = little_endian(bytes, old_header ? 24 : 28, 2);
  const int64_t compression = old_header ? 0 : little_endian(bytes, 30, 4);
  fields.run_length = compression == 1 || compression == 2;
  fields.palette_at = 14 + header_bytes;
  fields.palette_entry_bytes = old_header ? 3 : 4;
  fields.pixels_at = little_endian(bytes, 10, 4);
  check_size(fields.width, fields.height);
  return fields;
}

// stb_image reads missing bytes as zeros and does not check colours against the palette's length.
void check_bmp_data(std::string_view bytes, const BmpFields& fields) {
  if (fields.run_length) fail("it is run-length coded, which is not read");
  const int64_t stride = (fields.width * fields.bits + 31) / 32 * 4;
  const int64_t needed =
      fields.pixels_at + stride * (fields.height - 1) + (fields.width * fields.bits + 7) / 8;
  const auto available = static_cast<int64_t>(bytes.size());
  if (fields.pixels_at < fields.palette_at || needed > available) {
    fail("the file ends too early: ", available, " bytes, want ", needed);
  }
  if (fields.bits > 8) return;
  if (fields.bits != 1 && fields.bits != 4 && fields.bits != 8) {
    fail("it has ", fields.bits, " bits a pixel, which is not read");
  }
  const int64_t entries = (fields.pixels_at - fields.palette_at) / fields.palette_entry_bytes;
  for (int64_t y = 0; y < fields.height; ++y) {
    for (int64_t x = 0; x < fields.width; ++x) {
      const int64_t bit = x * fields.bits;
      const auto byte = static_cast<unsigned char>(
          bytes[static_cast<size_t>(fields.pixels_at + y * stride + bit / 8)]);
      const int64_t colour = (byte >> (8 - fields.bits - bit % 8)) & ((1 << fields.bits) - 1);
      if (colour >= entries) fail("a pixel has colour ", colour, " of a palette of ", entries);
    }
  }
}

}  // namespace

// The frame header is the segment SOF0 … SOF15 without DHT (c4), JPG (c8) and DAC (cc).
Header jpeg_header(std::string_view bytes) {
  for (const JpegSegment& segment : jpeg_segments(bytes)) {
    const int marker = segment.marker;
    const bool is_frame =
        marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    if (!is_frame || segment.body.size() < 5) continue;
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(segment.body[i]); };
    const Header header{(byte(3) << 8) | byte(4), (byte(1) << 8) | byte(2),
                        jpeg_exif_orientation(bytes)};
    check_size(header.width, header.height);
    return header;
  }
  fail("it has no frame header");
}

Pixels decode_jpeg(std::string_view bytes) {
  const Header header = jpeg_header(bytes);
  check_huffman_tables(bytes);
  Pixels pixels = decode(bytes);
  pixels.orientation = header.orientation;
  for (const JpegSegment& segment : jpeg_segments(bytes)) {
    if (segment.marker == 0xe2 &&
        segment.body.substr(0, 12) == std::string_view("ICC_PROFILE\0", 12)) {
      pixels.has_icc_profile = true;
    }
  }
  return pixels;
}

Header bmp_header(std::string_view bytes) {
  const BmpFields fields = bmp_fields(bytes);
  return {fields.width, fields.height, 1};
}

Pixels decode_bmp(std::string_view bytes) {
  check_bmp_data(bytes, bmp_fields(bytes));
  return decode(bytes);
}

}  // namespace codecs

std::string encode_jpeg(const Image& image, int quality) {
  if (image.empty()) {
    fail("cannot encode a JPEG of ", image.width, "x", image.height, " pixels: it has none");
  }
  if (quality < 1 || quality > 100) fail("JPEG quality ", quality, ": want 1 to 100");
  std::string bytes;
  const auto append = [](void* context, void* data, int size) {
    static_cast<std::string*>(context)->append(static_cast<const char*>(data),
                                               static_cast<size_t>(size));
  };
  if (stbi_write_jpg_to_func(append, &bytes, image.width, image.height, 3, image.rgb_hwc.data(),
                             quality) == 0) {
    fail("cannot encode a JPEG of ", image.width, "x", image.height, " pixels");
  }
  return bytes;
}

}  // namespace dorabooth
