// Containers are told by their bytes; sizes without decoding; errors name path and reason.
#include "src/imagefile/image_file.h"

#include <gtest/gtest.h>

#include "src/base/atomic_file.h"
#include "src/imagefile/latin1.h"
#include "tests/imagefile/samples.h"
#include "tests/support/fixtures.h"

namespace dorabooth::image_file_test {
namespace {

using testing::message_of;
using testing::sample_image;
using testing::TemporaryFolder;

TEST(ImageFile, KindIsToldByBytesNotByName) {
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "really_a_png.jpg", encode_png(sample_image()));
  EXPECT_EQ(read_picture(folder.path() / "really_a_png.jpg").image.rgb_hwc, testing::kSampleRgb);
}

TEST(ImageFile, PictureNamesHaveOneOfSevenEndings) {
  for (const char* name : {"a.png", "b.JPG", "c.Jpeg", "d.webp", "e.bmp", "f.TIF", "x/g.tiff"}) {
    EXPECT_TRUE(is_picture_name(name)) << name;
  }
  for (const char* name : {"a.txt", "png", ".png", "b.npz", "c.png.bak", "d.gif", ""}) {
    EXPECT_FALSE(is_picture_name(name)) << name;
  }
}

TEST(ImageFile, ProbedSizeIsThatOfTheDecodedPicture) {
  const TemporaryFolder folder;
  write_png(folder.path() / "a.png", sample_image());
  write_file_atomically(folder.path() / "b.jpg", encode_jpeg(sample_image(), 80));
  for (const char* name : {"a.png", "b.jpg"}) {
    const PictureSize size = probe_size(folder.path() / name);
    EXPECT_EQ(size.width, 4) << name;
    EXPECT_EQ(size.height, 2) << name;
  }
}

TEST(ImageFile, OtherKindsAreNamed) {
  const auto message = [](std::string_view bytes) {
    return message_of([&] { decode_picture(bytes, "folder/x.png"); });
  };
  EXPECT_NE(message("GIF89a").find("folder/x.png: it is a GIF"), std::string::npos);
  EXPECT_NE(message({"\0\0\0\x1c"
                     "ftypheic",
                     12})
                .find("HEIC"),
            std::string::npos);
  EXPECT_NE(message({"\0\0\0\x1c"
                     "ftypavif",
                     12})
                .find("AVIF"),
            std::string::npos);
  EXPECT_NE(message("").find("empty"), std::string::npos);
  EXPECT_NE(message("hello").find("PNG, JPEG, WebP, BMP and TIFF are read"), std::string::npos);
}

TEST(ImageFile, MissingFileIsNamed) {
  const std::string message = message_of([] { read_picture("/nowhere/at_all.png"); });
  EXPECT_NE(message.find("/nowhere/at_all.png"), std::string::npos) << message;
}

TEST(ImageFile, PictureWithoutPixelsIsNotEncoded) {
  EXPECT_NE(message_of([] { encode_png(Image()); }), "");
  EXPECT_NE(message_of([] { encode_jpeg(Image(), 80); }), "");
}

TEST(Latin1, Utf8IsCheckedAsRfc3629Says) {
  for (const char* good : {"", "a", "\xc3\xa9", "\xe7\x8c\xab", "\xf0\x9f\x90\x88"}) {
    EXPECT_TRUE(is_utf8(good));
  }
  // A lone continuation, an overlong slash, a surrogate, a point over U+10FFFF, a cut sequence.
  for (const char* bad :
       {"\x80", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe7\x8c"}) {
    EXPECT_FALSE(is_utf8(bad));
  }
}

TEST(Latin1, EveryCharacterGoesThereAndBack) {
  std::string all;
  for (int c = 1; c < 256; ++c) all += static_cast<char>(c);
  std::string back;
  ASSERT_TRUE(latin1_from_utf8(utf8_from_latin1(all), back));
  EXPECT_EQ(back, all);
  EXPECT_FALSE(latin1_from_utf8("\xc4\x80", back));  // U+0100
}

}  // namespace
}  // namespace dorabooth::image_file_test
