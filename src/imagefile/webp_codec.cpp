// WebP through libwebp; the EXIF chunk is found in the RIFF container.
#include <webp/decode.h>

#include "src/base/error.h"
#include "src/imagefile/codecs.h"
#include "src/imagefile/exif.h"

namespace dorabooth::codecs {

namespace {

WebPBitstreamFeatures features_of(std::string_view bytes) {
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(data_of(bytes), bytes.size(), &features);
  if (status == VP8_STATUS_NOT_ENOUGH_DATA) fail("the file ends too early");
  if (status != VP8_STATUS_OK) fail("the WebP header is damaged");
  check_size(features.width, features.height);
  return features;
}

// The body of the first chunk of that name; empty if there is none.
std::string_view riff_chunk(std::string_view bytes, std::string_view name) {
  size_t at = 12;
  while (at + 8 <= bytes.size()) {
    size_t size = 0;
    for (size_t i = 4; i-- > 0;) size = (size << 8) | static_cast<unsigned char>(bytes[at + 4 + i]);
    if (bytes.size() - at - 8 < size) break;
    if (bytes.substr(at, 4) == name) return bytes.substr(at + 8, size);
    at += 8 + size + (size & 1);
  }
  return {};
}

int orientation_of(std::string_view bytes) {
  std::string_view exif = riff_chunk(bytes, "EXIF");
  if (exif.substr(0, 6) == std::string_view("Exif\0\0", 6)) exif.remove_prefix(6);
  return exif_orientation(exif);
}

}  // namespace

Header webp_header(std::string_view bytes) {
  const WebPBitstreamFeatures features = features_of(bytes);
  return {features.width, features.height, orientation_of(bytes)};
}

Pixels decode_webp(std::string_view bytes) {
  const WebPBitstreamFeatures features = features_of(bytes);
  if (features.has_animation) fail("it is an animation; want a still picture");
  Pixels pixels;
  pixels.width = features.width;
  pixels.height = features.height;
  const size_t stride = static_cast<size_t>(features.width) * 4;
  pixels.rgba_hwc.resize(stride * static_cast<size_t>(features.height));
  if (!WebPDecodeRGBAInto(data_of(bytes), bytes.size(), pixels.rgba_hwc.data(),
                          pixels.rgba_hwc.size(), static_cast<int>(stride))) {
    fail("the WebP data is damaged or cut off");
  }
  pixels.orientation = orientation_of(bytes);
  pixels.has_icc_profile = !riff_chunk(bytes, "ICCP").empty();
  return pixels;
}

}  // namespace dorabooth::codecs
