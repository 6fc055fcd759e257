// JPEG: baseline and progressive files, EXIF orientation, damage.
#include <gtest/gtest.h>

#include <cmath>

#include "src/base/atomic_file.h"
#include "src/imagefile/exif.h"
#include "src/imagefile/image_file.h"
#include "tests/imagefile/samples.h"
#include "tests/support/fixtures.h"

namespace dorabooth::jpeg_test {
namespace {

using testing::message_of;

// 16 wide, 8 high, grey, progressive, made by libjpeg-turbo: the left half is 230, the right
// half 20.
std::string progressive_jpeg() {
  const std::string hex =
      "ffd8ffe000104a46494600010100000100010000ffdb004300080606070605080707070909080a0c140d0c0b"
      "0b0c1912130f141d1a1f1e1d1a1c1c20242e2720222c231c1c2837292c30313434341f27393d38323c2e3334"
      "32ffc2000b080008001001011100ffc4001500010100000000000000000000000000000607ffda0008010100"
      "0000016716ffc40014100100000000000000000000000000000010ffda00080101000105023fffc400141001"
      "00000000000000000000000000000010ffda0008010100063f023fffc4001410010000000000000000000000"
      "0000000010ffda0008010100013f213fffda00080101000000103fffc4001410010000000000000000000000"
      "0000000010ffda0008010100013f103fffd9";
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

// 32x16: red to the left, blue to the right; the top left corner of 8x8 is white.
Image corners() {
  Image image(32, 16);
  for (int y = 0; y < 16; ++y) {
    for (int x = 0; x < 32; ++x) {
      uint8_t* pixel = image.pixel(x, y);
      const bool white = x < 8 && y < 8;
      pixel[0] = white || x < 16 ? 250 : 10;
      pixel[1] = white ? 250 : 10;
      pixel[2] = white || x >= 16 ? 250 : 10;
    }
  }
  return image;
}

// The JPEG with an APP1 segment holding that block after its start marker.
std::string with_exif(const std::string& jpeg, const std::string& block) {
  const std::string body = std::string("Exif\0\0", 6) + block;
  const size_t length = body.size() + 2;
  std::string segment = "\xff\xe1";
  segment += static_cast<char>(length >> 8);
  segment += static_cast<char>(length & 0xff);
  return jpeg.substr(0, 2) + segment + body + jpeg.substr(2);
}

TEST(Jpeg, ProgressiveFileDecodesToItsColours) {
  const Image image = decode_picture(progressive_jpeg(), "x.jpg").image;
  ASSERT_EQ(image.width, 16);
  ASSERT_EQ(image.height, 8);
  for (int x = 0; x < 16; ++x) EXPECT_NEAR(image.pixel(x, 3)[1], x < 8 ? 230 : 20, 2) << x;
}

TEST(Jpeg, EncodedPictureComesBackClose) {
  const Image image = decode_picture(encode_jpeg(corners(), 95), "x.jpg").image;
  ASSERT_EQ(image.rgb_hwc.size(), corners().rgb_hwc.size());
  double error = 0;
  for (size_t i = 0; i < image.rgb_hwc.size(); ++i) {
    error += std::abs(image.rgb_hwc[i] - corners().rgb_hwc[i]);
  }
  EXPECT_LT(error / static_cast<double>(image.rgb_hwc.size()), 4);
  EXPECT_EQ(encode_jpeg(corners(), 95), encode_jpeg(corners(), 95));
  EXPECT_NE(message_of([] { encode_jpeg(corners(), 101); }).find("1 to 100"), std::string::npos);
}

TEST(Jpeg, ExifOrientationPutsTheStoredCornerWhereTheTagSays) {
  const std::string jpeg = encode_jpeg(corners(), 95);
  for (const bool big_endian : {false, true}) {
    for (int orientation = 1; orientation <= 8; ++orientation) {
      const std::string bytes = with_exif(jpeg, testing::exif_block(orientation, big_endian));
      const Image turned = decode_picture(bytes, "x.jpg").image;
      ASSERT_EQ(turned.width, orientation >= 5 ? 16 : 32) << orientation;
      const int right = turned.width - 4;
      const int bottom = turned.height - 4;
      const int place[8][2] = {{4, 4}, {right, 4}, {right, bottom}, {4, bottom},
                               {4, 4}, {right, 4}, {right, bottom}, {4, bottom}};
      const uint8_t* pixel = turned.pixel(place[orientation - 1][0], place[orientation - 1][1]);
      EXPECT_GT(pixel[1], 200) << orientation;
    }
  }
}

TEST(Jpeg, TurnedPictureIsAClockwiseQuarterForOrientationSix) {
  // A phone held upright stores rows from the right: orientation 6 is mended by a quarter turn
  // clockwise.
  Image stored(2, 1);
  stored.pixel(0, 0)[0] = 1;
  stored.pixel(1, 0)[0] = 2;
  const Image upright = apply_orientation(stored, 6);
  EXPECT_EQ(upright.pixel(0, 0)[0], 1);
  EXPECT_EQ(upright.pixel(0, 1)[0], 2);
  const Image other = apply_orientation(stored, 8);
  EXPECT_EQ(other.pixel(0, 0)[0], 2);
  EXPECT_EQ(other.pixel(0, 1)[0], 1);
}

TEST(Jpeg, DamagedExifMeansUpright) {
  EXPECT_EQ(exif_orientation(""), 1);
  EXPECT_EQ(exif_orientation("II*"), 1);
  for (const int wrong : {0, 9, 255}) EXPECT_EQ(exif_orientation(testing::exif_block(wrong)), 1);
  const std::string block = testing::exif_block(6);
  for (size_t length = 0; length < 19; ++length)
    EXPECT_EQ(exif_orientation(block.substr(0, length)), 1);
  EXPECT_EQ(exif_orientation(std::string("II*\0\xff\xff\xff\xff", 8)), 1);
}

TEST(Jpeg, ProfileIsReportedAndNotApplied) {
  const std::string jpeg = encode_jpeg(corners(), 90);
  const std::string profile =
      std::string("\xff\xe2\x00\x10", 4) + std::string("ICC_PROFILE\0\x01\x01", 14);
  const DecodedPicture picture =
      decode_picture(jpeg.substr(0, 2) + profile + jpeg.substr(2), "x.jpg");
  EXPECT_NE(picture.note.find("ICC profile"), std::string::npos);
}

TEST(Jpeg, EveryTruncationIsAnErrorWithTheName) {
  for (const std::string& bytes : {progressive_jpeg(), encode_jpeg(corners(), 50)}) {
    for (size_t length = 0; length + 2 <= bytes.size(); ++length) {
      const std::string message =
          message_of([&] { decode_picture(bytes.substr(0, length), "cut.jpg"); });
      EXPECT_NE(message.find("cut.jpg"), std::string::npos) << length;
    }
  }
}

TEST(Jpeg, HuffmanTableOfTooManyCodesIsRefused) {
  // stb_image would write the 257th code past the end of its table; also between progressive scans.
  const std::string bytes = progressive_jpeg();
  size_t tables = 0;
  for (size_t at = bytes.find("\xff\xc4"); at != std::string::npos;
       at = bytes.find("\xff\xc4", at + 1)) {
    std::string damaged = bytes;
    damaged[at + 20] = '\xff';  // codes of 16 bits
    damaged[at + 19] = '\x10';  // and of 15
    const std::string message = message_of([&] { decode_picture(damaged, "x.jpg"); });
    EXPECT_NE(message.find("codes, more than 256"), std::string::npos) << message;
    ++tables;
  }
  EXPECT_GE(tables, 3u);
}

TEST(Jpeg, DataAfterThePictureDoesNotMatter) {
  // Phones append a film or a second picture.
  const std::string film = std::string("\xff\xc4\xff\xff", 4) + std::string(400, '\xf0');
  EXPECT_EQ(decode_picture(progressive_jpeg() + film, "x.jpg").image.width, 16);
}

TEST(Jpeg, DamageIsAnErrorOrTheSamePictureTwiceButNeverACrash) {
  const std::string bytes = progressive_jpeg();
  const auto outcome = [](const std::string& damaged) {
    try {
      const Image image = decode_picture(damaged, "damaged.jpg").image;
      return std::string(image.rgb_hwc.begin(), image.rgb_hwc.end());
    } catch (const std::runtime_error& error) {
      return std::string(error.what());
    }
  };
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      EXPECT_EQ(outcome(damaged), outcome(damaged)) << at;
    }
  }
}

}  // namespace
}  // namespace dorabooth::jpeg_test
