// PNG: every colour type and depth decodes to the colours that were stored; text survives a round
// trip.
#include <gtest/gtest.h>
#include <png.h>

#include "src/base/atomic_file.h"
#include "src/imagefile/image_file.h"
#include "tests/imagefile/samples.h"
#include "tests/support/fixtures.h"

namespace dorabooth::png_test {
namespace {

using testing::message_of;
using testing::sample_image;

// `samples` holds the rows as PNG stores them.
struct PngSample {
  int width = 4;
  int height = 2;
  int bit_depth = 8;
  int colour_type = PNG_COLOR_TYPE_RGB;
  bool interlaced = false;
  std::vector<uint8_t> samples;
  std::vector<uint8_t> palette;        // RGB triples
  std::vector<uint8_t> palette_alpha;  // one a palette entry
  std::string exif;
};

void append_png(png_structp png, png_bytep bytes, size_t count) {
  static_cast<std::string*>(png_get_io_ptr(png))
      ->append(reinterpret_cast<const char*>(bytes), count);
}

void no_flush(png_structp) {}

std::string encode_sample(const PngSample& sample) {
  std::string bytes;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(png, &bytes, append_png, no_flush);
  png_set_IHDR(png, info, static_cast<png_uint_32>(sample.width),
               static_cast<png_uint_32>(sample.height), sample.bit_depth, sample.colour_type,
               sample.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  std::vector<png_color> palette(sample.palette.size() / 3);
  for (size_t i = 0; i < palette.size(); ++i) {
    palette[i] = {sample.palette[3 * i], sample.palette[3 * i + 1], sample.palette[3 * i + 2]};
  }
  if (!palette.empty()) png_set_PLTE(png, info, palette.data(), static_cast<int>(palette.size()));
  if (!sample.palette_alpha.empty()) {
    png_set_tRNS(png, info, sample.palette_alpha.data(),
                 static_cast<int>(sample.palette_alpha.size()), nullptr);
  }
  std::vector<png_byte> exif(sample.exif.begin(), sample.exif.end());
  if (!exif.empty()) png_set_eXIf_1(png, info, static_cast<png_uint_32>(exif.size()), exif.data());
  png_write_info(png, info);
  const size_t row_bytes = sample.samples.size() / static_cast<size_t>(sample.height);
  std::vector<png_bytep> rows;
  std::vector<uint8_t> samples = sample.samples;
  for (size_t y = 0; y < static_cast<size_t>(sample.height); ++y)
    rows.push_back(samples.data() + y * row_bytes);
  png_write_image(png, rows.data());
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

std::vector<uint8_t> decoded(const PngSample& sample, Rgb background = {}) {
  return decode_picture(encode_sample(sample), "sample.png", background).image.rgb_hwc;
}

// Replaces bytes of the IHDR chunk and mends its CRC (polynomial of ISO 3309, bit by bit).
std::string with_size(std::string png, uint32_t width, uint32_t height) {
  for (size_t i = 0; i < 4; ++i) {
    png[16 + i] = static_cast<char>(width >> (24 - 8 * i));
    png[20 + i] = static_cast<char>(height >> (24 - 8 * i));
  }
  uint32_t crc = 0xffffffffu;
  for (size_t i = 12; i < 29; ++i) {
    crc ^= static_cast<unsigned char>(png[i]);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0xedb88320u : 0);
  }
  crc = ~crc;
  for (size_t i = 0; i < 4; ++i) png[29 + i] = static_cast<char>(crc >> (24 - 8 * i));
  return png;
}

TEST(Png, Rgb8DecodesToItsBytes) {
  PngSample sample;
  sample.samples = testing::kSampleRgb;
  EXPECT_EQ(decoded(sample), testing::kSampleRgb);
  sample.interlaced = true;
  EXPECT_EQ(decoded(sample), testing::kSampleRgb);
}

TEST(Png, SixteenBitsAreScaledToEight) {
  PngSample sample;
  sample.width = 1;
  sample.height = 1;
  sample.bit_depth = 16;
  // v / 257 rounded: 0x00ff = 255 is 0.99 of a step, 0x8080 is 128 exactly.
  sample.samples = {0x00, 0xff, 0x80, 0x80, 0xff, 0xff};
  EXPECT_EQ(decoded(sample), (std::vector<uint8_t>{1, 128, 255}));
}

TEST(Png, GreyOfAnyDepthBecomesThreeEqualChannels) {
  PngSample sample;
  sample.colour_type = PNG_COLOR_TYPE_GRAY;
  sample.width = 2;
  sample.height = 1;
  sample.samples = {7, 250};
  EXPECT_EQ(decoded(sample), (std::vector<uint8_t>{7, 7, 7, 250, 250, 250}));
  sample.bit_depth = 1;
  sample.samples = {0x40};
  EXPECT_EQ(decoded(sample), (std::vector<uint8_t>{0, 0, 0, 255, 255, 255}));
}

TEST(Png, PaletteWithTransparencyIsLookedUp) {
  PngSample sample;
  sample.colour_type = PNG_COLOR_TYPE_PALETTE;
  sample.width = 2;
  sample.height = 1;
  sample.samples = {0, 1};
  sample.palette = {1, 2, 3, 200, 100, 50};
  EXPECT_EQ(decoded(sample), (std::vector<uint8_t>{1, 2, 3, 200, 100, 50}));
  sample.palette_alpha = {0, 255};
  EXPECT_EQ(decoded(sample, {9, 8, 7}), (std::vector<uint8_t>{9, 8, 7, 200, 100, 50}));
}

TEST(Png, AlphaIsCompositedOverTheBackground) {
  PngSample sample;
  sample.colour_type = PNG_COLOR_TYPE_RGB_ALPHA;
  sample.samples = testing::sample_rgba();
  const std::string bytes = encode_sample(sample);
  for (const Rgb background : {Rgb{}, Rgb{0, 128, 30}}) {
    const DecodedPicture picture = decode_picture(bytes, "sample.png", background);
    EXPECT_TRUE(picture.had_alpha);
    const double behind[3] = {static_cast<double>(background.red),
                              static_cast<double>(background.green),
                              static_cast<double>(background.blue)};
    for (size_t i = 0; i < 8; ++i) {
      for (size_t c = 0; c < 3; ++c) {
        EXPECT_NEAR(picture.image.rgb_hwc[3 * i + c], testing::sample_over(i, c, behind[c]), 0.51);
      }
    }
  }
}

TEST(Png, OpaqueAlphaIsNotReported) {
  PngSample sample;
  sample.samples = testing::kSampleRgb;
  EXPECT_FALSE(decode_picture(encode_sample(sample), "sample.png").had_alpha);
}

TEST(Png, ExifOrientationIsApplied) {
  PngSample sample;
  sample.samples = testing::kSampleRgb;
  sample.exif = testing::exif_block(6);
  const Image turned = decode_picture(encode_sample(sample), "sample.png").image;
  EXPECT_EQ(turned.width, 2);
  EXPECT_EQ(turned.height, 4);
}

TEST(Png, EncodedPictureDecodesToItselfAndRepeatsItsBytes) {
  const std::string bytes = encode_png(sample_image(), {{"parameters", "a cat"}});
  EXPECT_EQ(decode_picture(bytes, "x.png").image.rgb_hwc, testing::kSampleRgb);
  EXPECT_EQ(encode_png(sample_image(), {{"parameters", "a cat"}}), bytes);
}

TEST(Png, TextComesBackWhateverItsScript) {
  const testing::TemporaryFolder folder;
  const PngText text{{"parameters", "a café in the rain\nSteps: 25, Seed: 0"},
                     {"dorabooth", "{\"prompt\": \"猫 и кот 🐈\"}"},
                     {"empty", ""}};
  const auto path = folder.path() / "made" / "picture.png";
  write_png(path, sample_image(), text);
  EXPECT_EQ(read_png_text(path), text);
  EXPECT_EQ(read_picture(path).image.rgb_hwc, testing::kSampleRgb);
}

TEST(Png, Latin1TextIsAPlainTextChunkAndOtherTextIsInternational) {
  // The rule of PIL's PngInfo.add_text, on which A1111's "parameters" rests.
  const std::string latin = encode_png(sample_image(), {{"parameters", "caf\xc3\xa9"}});
  EXPECT_NE(latin.find(std::string("tEXtparameters\0caf\xe9", 19)), std::string::npos);
  const std::string other = encode_png(sample_image(), {{"parameters", "\xe7\x8c\xab"}});
  EXPECT_NE(other.find(std::string("iTXtparameters\0\0\0\0\0\xe7\x8c\xab", 22)), std::string::npos);
}

TEST(Png, PictureWithoutTextHasNone) {
  const testing::TemporaryFolder folder;
  write_png(folder.path() / "x.png", sample_image());
  EXPECT_TRUE(read_png_text(folder.path() / "x.png").empty());
}

TEST(Png, UnusableTextIsRefusedWithItsKeyword) {
  EXPECT_NE(message_of([] {
              encode_png(sample_image(), {{std::string(80, 'k'), ""}});
            }).find("1 to 79"),
            std::string::npos);
  EXPECT_NE(message_of([] {
              encode_png(sample_image(), {{"key", std::string("a\0b", 3)}});
            }).find("'key'"),
            std::string::npos);
  EXPECT_NE(message_of([] {
              encode_png(sample_image(), {{"key", "\xff"}});
            }).find("UTF-8"),
            std::string::npos);
}

TEST(Png, TooLargePictureIsRefusedBeforeItsPixels) {
  const std::string huge = with_size(encode_png(sample_image()), 16385, 16384);
  const std::string message = message_of([&] { decode_picture(huge, "huge.png"); });
  EXPECT_NE(message.find("huge.png"), std::string::npos) << message;
  EXPECT_NE(message.find("16385x16384"), std::string::npos) << message;
  EXPECT_NE(message.find("16384 (268 megapixels"), std::string::npos) << message;
}

TEST(Png, EveryTruncationIsAnErrorWithTheName) {
  const std::string bytes = encode_png(sample_image(), {{"parameters", "text"}});
  for (size_t length = 0; length < bytes.size(); ++length) {
    const std::string message =
        message_of([&] { decode_picture(bytes.substr(0, length), "cut.png"); });
    EXPECT_NE(message.find("cut.png"), std::string::npos) << length;
  }
}

TEST(Png, DamagedDataIsAnErrorOrAPictureButNeverACrash) {
  const std::string bytes = encode_png(sample_image());
  for (size_t at = 8; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
    try {
      decode_picture(damaged, "damaged.png");
    } catch (const std::runtime_error& error) {
      EXPECT_NE(std::string(error.what()).find("damaged.png"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace dorabooth::png_test
