// WebP: lossless files give their pixels; EXIF is found in the container; damage is named.
#include <gtest/gtest.h>
#include <webp/encode.h>

#include "src/base/atomic_file.h"
#include "src/imagefile/image_file.h"
#include "tests/imagefile/samples.h"
#include "tests/support/fixtures.h"

namespace dorabooth::webp_test {
namespace {

using testing::message_of;

std::string encode_webp(const std::vector<uint8_t>& rgba, int width, int height) {
  uint8_t* output = nullptr;
  const size_t size = WebPEncodeLosslessRGBA(rgba.data(), width, height, 4 * width, &output);
  const std::string bytes(reinterpret_cast<const char*>(output), size);
  WebPFree(output);
  return bytes;
}

std::vector<uint8_t> opaque_sample() {
  std::vector<uint8_t> rgba = testing::sample_rgba();
  for (size_t i = 3; i < rgba.size(); i += 4) rgba[i] = 255;
  return rgba;
}

void put32(std::string& bytes, size_t value) {
  for (int i = 0; i < 4; ++i) bytes += static_cast<char>((value >> (8 * i)) & 0xff);
}

// The extended form of the same file, with more chunks: VP8X (flags, 24-bit sizes less one),
// bitstream, others.
std::string extended(const std::string& simple, int flags, const std::string& name,
                     const std::string& chunk) {
  std::string body = "WEBPVP8X";
  put32(body, 10);
  body += static_cast<char>(flags);
  body += std::string("\0\0\0\x03\0\0\x01\0\0", 9);
  body += simple.substr(12);
  body += name;
  put32(body, chunk.size());
  body += chunk;
  if (chunk.size() % 2) body += '\0';
  std::string bytes = "RIFF";
  put32(bytes, body.size());
  return bytes + body;
}

TEST(Webp, LosslessDecodesToItsPixels) {
  const DecodedPicture picture = decode_picture(encode_webp(opaque_sample(), 4, 2), "x.webp");
  EXPECT_EQ(picture.image.rgb_hwc, testing::kSampleRgb);
  EXPECT_FALSE(picture.had_alpha);
}

TEST(Webp, AlphaIsCompositedOverWhite) {
  const DecodedPicture picture =
      decode_picture(encode_webp(testing::sample_rgba(), 4, 2), "x.webp");
  EXPECT_TRUE(picture.had_alpha);
  for (size_t i = 0; i < 8; ++i) {
    for (size_t c = 0; c < 3; ++c) {
      EXPECT_NEAR(picture.image.rgb_hwc[3 * i + c], testing::sample_over(i, c, 255), 0.51);
    }
  }
}

TEST(Webp, ExifOrientationAndProfileAreSeen) {
  const std::string simple = encode_webp(opaque_sample(), 4, 2);
  constexpr int kExifFlag = 0x08;
  constexpr int kProfileFlag = 0x20;
  const Image turned =
      decode_picture(extended(simple, kExifFlag, "EXIF", testing::exif_block(8)), "x.webp").image;
  EXPECT_EQ(turned.width, 2);
  EXPECT_EQ(turned.height, 4);
  const DecodedPicture profiled =
      decode_picture(extended(simple, kProfileFlag, "ICCP", "profile"), "x.webp");
  EXPECT_NE(profiled.note.find("ICC profile"), std::string::npos);
}

TEST(Webp, AnimationIsRefused) {
  constexpr int kAnimationFlag = 0x02;
  const std::string bytes =
      extended(encode_webp(opaque_sample(), 4, 2), kAnimationFlag, "ANIM", std::string(6, '\0'));
  EXPECT_NE(message_of([&] { decode_picture(bytes, "x.webp"); }).find("animation"),
            std::string::npos);
}

TEST(Webp, EveryTruncationIsAnErrorWithTheName) {
  const std::string bytes = encode_webp(opaque_sample(), 4, 2);
  for (size_t length = 0; length < bytes.size() - 1; ++length) {
    const std::string message =
        message_of([&] { decode_picture(bytes.substr(0, length), "cut.webp"); });
    EXPECT_NE(message.find("cut.webp"), std::string::npos) << length;
  }
}

}  // namespace
}  // namespace dorabooth::webp_test
