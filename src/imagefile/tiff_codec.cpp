// TIFF through libtiff from memory: the first page, in any layout that libtiff turns into RGBA.
#include <tiffio.h>

#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>

#include "src/base/error.h"
#include "src/imagefile/codecs.h"

namespace dorabooth::codecs {

namespace {

// No single buffer of libtiff may be larger: strips and tiles of a hostile file state their own
// sizes.
constexpr tmsize_t kMaxAllocation = tmsize_t{2} << 30;

struct Stream {
  std::string_view bytes;
  size_t position = 0;
  std::string error;  // the first one: the later ones follow from it
};

tmsize_t on_read(thandle_t handle, void* target, tmsize_t count) {
  auto* stream = static_cast<Stream*>(handle);
  const size_t left = stream->bytes.size() - stream->position;
  const size_t taken = std::min(left, static_cast<size_t>(count));
  std::memcpy(target, stream->bytes.data() + stream->position, taken);
  stream->position += taken;
  return static_cast<tmsize_t>(taken);
}

tmsize_t on_write(thandle_t, void*, tmsize_t) { return 0; }

toff_t on_seek(thandle_t handle, toff_t offset, int whence) {
  auto* stream = static_cast<Stream*>(handle);
  const toff_t base = whence == SEEK_CUR   ? stream->position
                      : whence == SEEK_END ? stream->bytes.size()
                                           : 0;
  stream->position = static_cast<size_t>(std::min<toff_t>(base + offset, stream->bytes.size()));
  return stream->position;
}

int on_close(thandle_t) { return 0; }

toff_t on_size(thandle_t handle) { return static_cast<Stream*>(handle)->bytes.size(); }

int on_error(TIFF*, void* user_data, const char*, const char* format, va_list arguments) {
  auto* stream = static_cast<Stream*>(user_data);
  std::array<char, 256> text{};
  std::vsnprintf(text.data(), text.size(), format, arguments);
  if (stream->error.empty()) stream->error = text.data();
  return 1;
}

int on_warning(TIFF*, void*, const char*, const char*, va_list) { return 1; }

class Reader {
 public:
  explicit Reader(std::string_view bytes) {
    stream_.bytes = bytes;
    const std::unique_ptr<TIFFOpenOptions, decltype(&TIFFOpenOptionsFree)> options(
        TIFFOpenOptionsAlloc(), TIFFOpenOptionsFree);
    TIFFOpenOptionsSetErrorHandlerExtR(options.get(), on_error, &stream_);
    TIFFOpenOptionsSetWarningHandlerExtR(options.get(), on_warning, nullptr);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), kMaxAllocation);
    // "m": no memory mapping.
    tiff_.reset(TIFFClientOpenExt("picture", "rm", &stream_, on_read, on_write, on_seek, on_close,
                                  on_size, nullptr, nullptr, options.get()));
    if (!tiff_) fail(reason());
    uint32_t width = 0;
    uint32_t height = 0;
    if (!TIFFGetField(tiff_.get(), TIFFTAG_IMAGEWIDTH, &width) ||
        !TIFFGetField(tiff_.get(), TIFFTAG_IMAGELENGTH, &height)) {
      fail("the first page has no size");
    }
    uint16_t orientation = ORIENTATION_TOPLEFT;
    TIFFGetFieldDefaulted(tiff_.get(), TIFFTAG_ORIENTATION, &orientation);
    header = {width, height, orientation};
    check_size(header.width, header.height);
  }

  TIFF* tiff() { return tiff_.get(); }
  std::string reason() const {
    return stream_.error.empty() ? "the TIFF data is damaged or cut off" : stream_.error;
  }

  Header header;

 private:
  Stream stream_;
  std::unique_ptr<TIFF, decltype(&TIFFClose)> tiff_{nullptr, TIFFClose};
};

}  // namespace

Header tiff_header(std::string_view bytes) { return Reader(bytes).header; }

Pixels decode_tiff(std::string_view bytes) {
  Reader reader(bytes);
  std::array<char, 1024> refusal{};
  if (!TIFFRGBAImageOK(reader.tiff(), refusal.data())) fail(refusal.data());
  Pixels pixels;
  pixels.width = static_cast<int>(reader.header.width);
  pixels.height = static_cast<int>(reader.header.height);
  pixels.orientation = reader.header.orientation;
  pixels.premultiplied = true;  // libtiff multiplies colour by alpha
  const size_t count = static_cast<size_t>(pixels.width) * static_cast<size_t>(pixels.height);
  std::vector<uint32_t> raster(count);
  // Asked for the stored orientation libtiff moves nothing; ours is applied as for every other
  // kind.
  if (!TIFFReadRGBAImageOriented(reader.tiff(), static_cast<uint32_t>(pixels.width),
                                 static_cast<uint32_t>(pixels.height), raster.data(),
                                 reader.header.orientation, 1)) {
    fail(reader.reason());
  }
  pixels.rgba_hwc.resize(count * 4);
  for (size_t i = 0; i < count; ++i) {
    pixels.rgba_hwc[4 * i] = static_cast<uint8_t>(TIFFGetR(raster[i]));
    pixels.rgba_hwc[4 * i + 1] = static_cast<uint8_t>(TIFFGetG(raster[i]));
    pixels.rgba_hwc[4 * i + 2] = static_cast<uint8_t>(TIFFGetB(raster[i]));
    pixels.rgba_hwc[4 * i + 3] = static_cast<uint8_t>(TIFFGetA(raster[i]));
  }
  uint32_t profile_bytes = 0;
  void* profile = nullptr;
  pixels.has_icc_profile =
      TIFFGetField(reader.tiff(), TIFFTAG_ICCPROFILE, &profile_bytes, &profile) != 0;
  if (!TIFFLastDirectory(reader.tiff())) pixels.note = "only the first page is read";
  return pixels;
}

}  // namespace dorabooth::codecs
