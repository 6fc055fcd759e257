// Pictures in and out of files. Read: PNG, JPEG, WebP, BMP, TIFF, told apart by their bytes; the
// EXIF orientation is applied as PIL's exif_transpose does, transparency is composited over one
// colour. Written: PNG with text chunks, JPEG. Every file is hostile until decoded; errors name
// path and reason.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "src/base/image.h"

namespace dorabooth {

struct Rgb {
  uint8_t red = 255;
  uint8_t green = 255;
  uint8_t blue = 255;
};

// white, black, gray or #rrggbb. Throws UsageError on anything else.
Rgb colour_from_name(std::string_view name);

struct PictureSize {
  int width = 0;
  int height = 0;

  bool operator==(const PictureSize&) const = default;
};

// Larger pictures are refused before their pixels are allocated.
inline constexpr int64_t kMaxPictureSide = 16384;
inline constexpr int64_t kMaxPicturePixels = kMaxPictureSide * kMaxPictureSide;

struct DecodedPicture {
  Image image;
  bool had_alpha = false;  // some pixel was not opaque
  Image alpha;             // its opacity, the same in all three channels; empty if it had none
  std::string note;        // what was left out, e.g. an ICC profile; "" if nothing
};

// True for png jpg jpeg webp bmp tif tiff in any case: which files of a folder are pictures.
bool is_picture_name(const std::filesystem::path& path);

DecodedPicture read_picture(const std::filesystem::path& path, Rgb background = {});
// `name` stands in error messages.
DecodedPicture decode_picture(std::string_view bytes, const std::string& name, Rgb background = {});

// Width and height as read_picture would give them, from the headers alone.
PictureSize probe_size(const std::filesystem::path& path);
PictureSize probe_size(std::string_view bytes, const std::string& name);

// The same picture and text give the same bytes. Keywords have 1 to 79 Latin-1 characters; a value
// is a tEXt chunk if Latin-1 can hold it and an iTXt chunk otherwise, as PIL and A1111 write and
// read it.
using PngText = std::map<std::string, std::string>;
std::string encode_png(const Image& image, const PngText& text = {});
// Atomically; makes missing parent folders.
void write_png(const std::filesystem::path& path, const Image& image, const PngText& text = {});
// All tEXt, zTXt and iTXt chunks as UTF-8; {} for a PNG without text.
PngText read_png_text(const std::filesystem::path& path);

// Baseline JPEG; quality 1 to 100.
std::string encode_jpeg(const Image& image, int quality);

}  // namespace dorabooth
