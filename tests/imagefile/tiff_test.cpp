// TIFF: layouts that cameras and scanners write decode to their pixels; the first page of several
// is read.
#include <gtest/gtest.h>
#include <tiffio.h>

#include <cstring>

#include "src/imagefile/image_file.h"
#include "tests/imagefile/samples.h"
#include "tests/support/fixtures.h"

namespace dorabooth::tiff_test {
namespace {

using testing::message_of;

// libtiff's writer seeks, so it gets a file in memory.
struct MemoryFile {
  std::string bytes;
  size_t position = 0;
};

tmsize_t tiff_read(thandle_t handle, void* target, tmsize_t count) {
  auto* file = static_cast<MemoryFile*>(handle);
  const size_t left = file->bytes.size() - std::min(file->position, file->bytes.size());
  const size_t taken = std::min(left, static_cast<size_t>(count));
  std::memcpy(target, file->bytes.data() + file->position, taken);
  file->position += taken;
  return static_cast<tmsize_t>(taken);
}

tmsize_t tiff_write(thandle_t handle, void* source, tmsize_t count) {
  auto* file = static_cast<MemoryFile*>(handle);
  const size_t end = file->position + static_cast<size_t>(count);
  if (file->bytes.size() < end) file->bytes.resize(end);
  std::memcpy(file->bytes.data() + file->position, source, static_cast<size_t>(count));
  file->position = end;
  return count;
}

toff_t tiff_seek(thandle_t handle, toff_t offset, int whence) {
  auto* file = static_cast<MemoryFile*>(handle);
  const toff_t base = whence == SEEK_CUR   ? file->position
                      : whence == SEEK_END ? file->bytes.size()
                                           : 0;
  file->position = static_cast<size_t>(base + offset);
  return file->position;
}

int tiff_close(thandle_t) { return 0; }

toff_t tiff_size(thandle_t handle) { return static_cast<MemoryFile*>(handle)->bytes.size(); }

std::string encode_tiff(const std::vector<uint8_t>& samples, int width, int height, int channels,
                        int bits, int orientation, bool associated_alpha, int pages = 1) {
  MemoryFile file;
  TIFF* tiff = TIFFClientOpen("sample", "wm", &file, tiff_read, tiff_write, tiff_seek, tiff_close,
                              tiff_size, nullptr, nullptr);
  for (int page = 0; page < pages; ++page) {
    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, width);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, height);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, bits);
    TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, channels);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC,
                 channels == 1 ? PHOTOMETRIC_MINISBLACK : PHOTOMETRIC_RGB);
    TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    TIFFSetField(tiff, TIFFTAG_COMPRESSION, COMPRESSION_LZW);
    TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, height);
    if (orientation > 0) TIFFSetField(tiff, TIFFTAG_ORIENTATION, orientation);
    if (channels == 4) {
      const uint16_t extra[] = {static_cast<uint16_t>(associated_alpha ? EXTRASAMPLE_ASSOCALPHA
                                                                       : EXTRASAMPLE_UNASSALPHA)};
      TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, 1, extra);
    }
    const size_t row_bytes = samples.size() / static_cast<size_t>(height);
    std::vector<uint8_t> row(row_bytes);
    for (int y = 0; y < height; ++y) {
      std::memcpy(row.data(), samples.data() + static_cast<size_t>(y) * row_bytes, row_bytes);
      TIFFWriteScanline(tiff, row.data(), static_cast<uint32_t>(y), 0);
    }
    TIFFWriteDirectory(tiff);
  }
  TIFFClose(tiff);
  return file.bytes;
}

TEST(Tiff, RgbDecodesToItsPixels) {
  const DecodedPicture picture =
      decode_picture(encode_tiff(testing::kSampleRgb, 4, 2, 3, 8, 0, false), "x.tif");
  EXPECT_EQ(picture.image.rgb_hwc, testing::kSampleRgb);
  EXPECT_EQ(picture.note, "");
}

TEST(Tiff, GreyOf16BitsIsScaledToEight) {
  // Little endian samples 0x0000, 0xffff, 0x8080.
  const DecodedPicture picture = decode_picture(
      encode_tiff({0x00, 0x00, 0xff, 0xff, 0x80, 0x80}, 3, 1, 1, 16, 0, false), "x.tif");
  EXPECT_EQ(picture.image.rgb_hwc, (std::vector<uint8_t>{0, 0, 0, 255, 255, 255, 128, 128, 128}));
}

TEST(Tiff, BothKindsOfAlphaCompositeToTheSameColours) {
  std::vector<uint8_t> associated = testing::sample_rgba();
  for (size_t i = 0; i < associated.size(); ++i) {
    if (i % 4 != 3) {
      associated[i] = static_cast<uint8_t>((associated[i] * associated[i / 4 * 4 + 3] + 127) / 255);
    }
  }
  for (const bool is_associated : {false, true}) {
    const DecodedPicture picture =
        decode_picture(encode_tiff(is_associated ? associated : testing::sample_rgba(), 4, 2, 4, 8,
                                   0, is_associated),
                       "x.tif");
    EXPECT_TRUE(picture.had_alpha);
    for (size_t i = 0; i < 8; ++i) {
      for (size_t c = 0; c < 3; ++c) {
        EXPECT_NEAR(picture.image.rgb_hwc[3 * i + c], testing::sample_over(i, c, 255), 1.01);
      }
    }
  }
}

TEST(Tiff, OrientationIsAppliedAsInTheOtherKinds) {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const Image turned =
        decode_picture(encode_tiff(testing::kSampleRgb, 4, 2, 3, 8, orientation, false), "x.tif")
            .image;
    EXPECT_EQ(turned.width, orientation >= 5 ? 2 : 4) << orientation;
    // Where the stored top left pixel (red) must stand, from the tag's definition.
    const int right = turned.width - 1;
    const int bottom = turned.height - 1;
    const int place[8][2] = {{0, 0}, {right, 0}, {right, bottom}, {0, bottom},
                             {0, 0}, {right, 0}, {right, bottom}, {0, bottom}};
    const uint8_t* pixel = turned.pixel(place[orientation - 1][0], place[orientation - 1][1]);
    EXPECT_EQ(pixel[0], 255) << orientation;
    EXPECT_EQ(pixel[1], 0) << orientation;
  }
}

TEST(Tiff, OnlyTheFirstPageIsReadAndThatIsSaid) {
  const DecodedPicture picture =
      decode_picture(encode_tiff(testing::kSampleRgb, 4, 2, 3, 8, 0, false, 2), "x.tif");
  EXPECT_NE(picture.note.find("first page"), std::string::npos);
}

TEST(Tiff, DamageIsAnErrorOrAPictureButNeverACrash) {
  const std::string bytes = encode_tiff(testing::kSampleRgb, 4, 2, 3, 8, 1, false);
  const auto try_decoding = [](const std::string& damaged) {
    try {
      decode_picture(damaged, "damaged.tif");
    } catch (const std::runtime_error& error) {
      EXPECT_NE(std::string(error.what()).find("damaged.tif"), std::string::npos);
    }
  };
  for (size_t at = 0; at < bytes.size(); ++at) {
    try_decoding(bytes.substr(0, at));
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x81);
    try_decoding(damaged);
  }
  EXPECT_NE(message_of([&] { decode_picture(bytes.substr(0, 20), "cut.tif"); }).find("cut.tif"),
            std::string::npos);
}

}  // namespace
}  // namespace dorabooth::tiff_test
