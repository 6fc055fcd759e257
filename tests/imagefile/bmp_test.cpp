// BMP: 24 bits and palettes; sizes and colours that the file does not hold are refused.
#include <gtest/gtest.h>

#include "src/imagefile/image_file.h"
#include "tests/imagefile/samples.h"
#include "tests/support/fixtures.h"

namespace dorabooth::bmp_test {
namespace {

using testing::message_of;
using testing::sample_image;

void put(std::string& bytes, uint64_t value, int count) {
  for (int i = 0; i < count; ++i) bytes += static_cast<char>((value >> (8 * i)) & 0xff);
}

std::string header_bytes(int width, int height, int bits, uint32_t pixels_at, uint32_t colours,
                         size_t pixel_bytes) {
  std::string bytes = "BM";
  put(bytes, static_cast<uint32_t>(pixels_at + pixel_bytes), 4);
  put(bytes, 0, 4);
  put(bytes, pixels_at, 4);
  put(bytes, 40, 4);
  put(bytes, static_cast<uint32_t>(width), 4);
  put(bytes, static_cast<uint32_t>(height), 4);
  put(bytes, 1, 2);
  put(bytes, static_cast<uint32_t>(bits), 2);
  put(bytes, 0, 4);
  put(bytes, static_cast<uint32_t>(pixel_bytes), 4);
  put(bytes, 0, 8);
  put(bytes, colours, 4);
  put(bytes, 0, 4);
  return bytes;
}

std::string bmp_24() {
  const Image image = sample_image();
  std::string bytes = header_bytes(4, 2, 24, 54, 0, 24);
  for (int y = 1; y >= 0; --y) {
    for (int x = 0; x < 4; ++x) {
      const uint8_t* rgb = image.pixel(x, y);
      for (int c = 2; c >= 0; --c) bytes += static_cast<char>(rgb[c]);
    }
  }
  return bytes;
}

std::string bmp_palette(uint8_t colour_of_last_pixel) {
  std::string bytes = header_bytes(4, 1, 8, 62, 2, 4);
  put(bytes, 0x00ff8000, 4);  // blue 0, green 128, red 255
  put(bytes, 0x000000ff, 4);  // blue
  for (const int colour : {0, 1, 0, static_cast<int>(colour_of_last_pixel)}) {
    bytes += static_cast<char>(colour);
  }
  return bytes;
}

TEST(Bmp, RowsFromTheBottomStandUpright) {
  EXPECT_EQ(decode_picture(bmp_24(), "x.bmp").image.rgb_hwc, testing::kSampleRgb);
}

TEST(Bmp, PaletteIsLookedUp) {
  const Image image = decode_picture(bmp_palette(1), "x.bmp").image;
  EXPECT_EQ(image.rgb_hwc, (std::vector<uint8_t>{255, 128, 0, 0, 0, 255, 255, 128, 0, 0, 0, 255}));
}

TEST(Bmp, ColourOutsideThePaletteIsRefused) {
  const std::string message = message_of([] { decode_picture(bmp_palette(2), "x.bmp"); });
  EXPECT_NE(message.find("colour 2 of a palette of 2"), std::string::npos) << message;
}

TEST(Bmp, EveryTruncationIsAnErrorWithTheName) {
  const std::string bytes = bmp_24();
  for (size_t length = 0; length < bytes.size(); ++length) {
    const std::string message =
        message_of([&] { decode_picture(bytes.substr(0, length), "cut.bmp"); });
    EXPECT_NE(message.find("cut.bmp"), std::string::npos) << length;
  }
}

TEST(Bmp, DamagedHeaderIsAnErrorOrAPictureButNeverACrash) {
  for (const std::string& bytes : {bmp_24(), bmp_palette(1)}) {
    for (size_t at = 2; at < bytes.size(); ++at) {
      for (const int flip : {0x01, 0x10, 0x80, 0xff}) {
        std::string damaged = bytes;
        damaged[at] = static_cast<char>(damaged[at] ^ flip);
        try {
          decode_picture(damaged, "damaged.bmp");
        } catch (const std::runtime_error& error) {
          EXPECT_NE(std::string(error.what()).find("damaged.bmp"), std::string::npos);
        }
      }
    }
  }
}

}  // namespace
}  // namespace dorabooth::bmp_test
