// Tells a container by its first bytes, decodes it, turns it upright and composites transparency.
#include "src/imagefile/image_file.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <new>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/imagefile/codecs.h"
#include "src/imagefile/exif.h"

namespace dorabooth {

namespace {

struct Container {
  const char* name;
  bool (*matches)(std::string_view bytes);
  codecs::Header (*header)(std::string_view bytes);
  codecs::Pixels (*decode)(std::string_view bytes);
};

bool begins(std::string_view bytes, std::string_view with, size_t at = 0) {
  return bytes.size() >= at + with.size() && bytes.substr(at, with.size()) == with;
}

constexpr std::array kContainers{
    Container{"PNG", [](std::string_view b) { return begins(b, "\x89PNG\r\n\x1a\n"); },
              codecs::png_header, codecs::decode_png},
    Container{"JPEG", [](std::string_view b) { return begins(b, "\xff\xd8\xff"); },
              codecs::jpeg_header, codecs::decode_jpeg},
    Container{"WebP", [](std::string_view b) { return begins(b, "RIFF") && begins(b, "WEBP", 8); },
              codecs::webp_header, codecs::decode_webp},
    Container{"BMP", [](std::string_view b) { return begins(b, "BM"); }, codecs::bmp_header,
              codecs::decode_bmp},
    Container{"TIFF",
              [](std::string_view b) {
                return begins(b, {"II*\0", 4}) || begins(b, {"MM\0*", 4}) ||
                       begins(b, {"II+\0", 4}) || begins(b, {"MM\0+", 4});
              },
              codecs::tiff_header, codecs::decode_tiff},
};

// Kinds that people have and that are not read, for a message that helps.
std::string foreign_kind(std::string_view bytes) {
  if (bytes.empty()) return "the file is empty";
  if (begins(bytes, "GIF8")) return "it is a GIF";
  if (begins(bytes, "8BPS")) return "it is a Photoshop file";
  if (begins(bytes, "\xff\x0a") || begins(bytes, {"\0\0\0\x0cJXL ", 8})) return "it is JPEG XL";
  if (begins(bytes, "ftypavif", 4)) return "it is AVIF";
  if (begins(bytes, "ftypheic", 4) || begins(bytes, "ftypmif1", 4)) return "it is HEIC";
  return "its bytes are those of no known picture";
}

const Container& container_of(std::string_view bytes) {
  for (const Container& container : kContainers) {
    if (container.matches(bytes)) return container;
  }
  fail(foreign_kind(bytes), "; PNG, JPEG, WebP, BMP and TIFF are read");
}

// Runs `action` with the picture's name before any reason it gives.
template <typename Action>
auto with_name(const std::string& name, Action&& action) {
  try {
    return action();
  } catch (const Error& error) {
    fail("cannot read picture ", name, ": ", error.what());
  } catch (const std::bad_alloc&) {
    fail("cannot read picture ", name, ": there is not enough memory for its pixels");
  }
}

uint8_t over(uint8_t colour, uint8_t alpha, uint8_t background, bool premultiplied) {
  const int front = premultiplied ? colour * 255 : colour * alpha;
  return static_cast<uint8_t>(std::min(255, (front + background * (255 - alpha) + 127) / 255));
}

Image opacity_of(const codecs::Pixels& pixels) {
  Image alpha(pixels.width, pixels.height);
  for (size_t i = 0; i < alpha.rgb_hwc.size(); ++i) {
    alpha.rgb_hwc[i] = pixels.rgba_hwc[4 * (i / 3) + 3];
  }
  return apply_orientation(std::move(alpha), pixels.orientation);
}

DecodedPicture finished(const codecs::Pixels& pixels, Rgb background) {
  DecodedPicture picture;
  picture.image = Image(pixels.width, pixels.height);
  const size_t count = picture.image.rgb_hwc.size() / 3;
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* rgba = pixels.rgba_hwc.data() + 4 * i;
    uint8_t* rgb = picture.image.rgb_hwc.data() + 3 * i;
    picture.had_alpha |= rgba[3] != 255;
    rgb[0] = over(rgba[0], rgba[3], background.red, pixels.premultiplied);
    rgb[1] = over(rgba[1], rgba[3], background.green, pixels.premultiplied);
    rgb[2] = over(rgba[2], rgba[3], background.blue, pixels.premultiplied);
  }
  picture.image = apply_orientation(std::move(picture.image), pixels.orientation);
  if (picture.had_alpha) picture.alpha = opacity_of(pixels);
  picture.note = pixels.note;
  if (pixels.has_icc_profile) {
    picture.note += picture.note.empty() ? "" : "; ";
    picture.note += "its ICC profile is not applied";
  }
  return picture;
}

}  // namespace

void codecs::check_size(int64_t width, int64_t height) {
  if (width < 1 || height < 1 || width > kMaxPictureSide || height > kMaxPictureSide) {
    fail("it has ", width, "x", height, " pixels; want sides of 1 to ", kMaxPictureSide, " (",
         kMaxPicturePixels / 1'000'000, " megapixels in all)");
  }
}

Rgb colour_from_name(std::string_view name) {
  if (name == "white") return {255, 255, 255};
  if (name == "black") return {0, 0, 0};
  if (name == "gray" || name == "grey") return {128, 128, 128};
  uint32_t value = 0;
  const std::string_view digits = name.starts_with('#') ? name.substr(1) : std::string_view();
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value, 16);
  if (digits.size() != 6 || error != std::errc() || stop != end) {
    throw UsageError(concat("colour '", name, "': want white, black, gray or #rrggbb"));
  }
  const auto byte = [&](int shift) { return static_cast<uint8_t>(value >> shift); };
  return {byte(16), byte(8), byte(0)};
}

bool is_picture_name(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  constexpr std::array<std::string_view, 7> kExtensions{".png", ".jpg", ".jpeg", ".webp",
                                                        ".bmp", ".tif", ".tiff"};
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

DecodedPicture decode_picture(std::string_view bytes, const std::string& name, Rgb background) {
  return with_name(name, [&] { return finished(container_of(bytes).decode(bytes), background); });
}

DecodedPicture read_picture(const std::filesystem::path& path, Rgb background) {
  return decode_picture(read_file(path), path.string(), background);
}

PictureSize probe_size(std::string_view bytes, const std::string& name) {
  return with_name(name, [&] {
    const codecs::Header header = container_of(bytes).header(bytes);
    PictureSize size{static_cast<int>(header.width), static_cast<int>(header.height)};
    if (header.orientation >= 5 && header.orientation <= 8) std::swap(size.width, size.height);
    return size;
  });
}

PictureSize probe_size(const std::filesystem::path& path) {
  return probe_size(read_file(path), path.string());
}

}  // namespace dorabooth
