// Contact sheets and the text on them, drawn with the bundled font.
#include "src/imagefile/contact_sheet.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "src/base/atomic_file.h"
#include "tests/support/fixtures.h"

namespace dorabooth::contact_sheet_test {
namespace {

using testing::message_of;

Font bundled_font() { return Font(testing::source_dir() / "assets/fonts/DejaVuSans.ttf"); }

Image plain(int width, int height, uint8_t red, uint8_t green, uint8_t blue) {
  Image image(width, height);
  for (size_t i = 0; i < image.rgb_hwc.size(); i += 3) {
    image.rgb_hwc[i] = red;
    image.rgb_hwc[i + 1] = green;
    image.rgb_hwc[i + 2] = blue;
  }
  return image;
}

long count_colour(const Image& image, uint8_t red, uint8_t green, uint8_t blue) {
  long count = 0;
  for (size_t i = 0; i < image.rgb_hwc.size(); i += 3) {
    count +=
        image.rgb_hwc[i] == red && image.rgb_hwc[i + 1] == green && image.rgb_hwc[i + 2] == blue;
  }
  return count;
}

long count_ink(const Image& image) {
  long count = 0;
  for (const uint8_t value : image.rgb_hwc) count += value < 128;
  return count;
}

Image drawn(const std::string& text) {
  Image image(200, 40, 255);
  bundled_font().draw(image, 4, 4, text, 24, {0, 0, 0});
  return image;
}

TEST(TextDrawing, DifferentLettersLeaveDifferentAntiAliasedInk) {
  const Image a = drawn("A");
  EXPECT_GT(count_ink(a), 50);
  EXPECT_NE(a.rgb_hwc, drawn("B").rgb_hwc);
  const auto between = std::count_if(a.rgb_hwc.begin(), a.rgb_hwc.end(),
                                     [](uint8_t v) { return v > 40 && v < 215; });
  EXPECT_GT(between, 10);
  EXPECT_EQ(a.rgb_hwc, drawn("A").rgb_hwc);
}

TEST(TextDrawing, AccentsGreekAndCyrillicAreInTheFont) {
  EXPECT_NE(drawn("é").rgb_hwc, drawn("e").rgb_hwc);
  EXPECT_NE(drawn("ж").rgb_hwc, drawn("ω").rgb_hwc);
}

TEST(TextDrawing, MissingCharactersBecomeTheSameBox) {
  EXPECT_GT(count_ink(drawn("猫")), 20);
  EXPECT_EQ(drawn("猫").rgb_hwc, drawn("犬").rgb_hwc);
  EXPECT_EQ(drawn("❤").rgb_hwc,
            drawn("❤\xef\xb8\x8f").rgb_hwc);  // the variation selector is invisible
}

TEST(TextDrawing, TextOutsideTheImageIsLeftOut) {
  Image image(10, 10, 255);
  bundled_font().draw(image, -5, -5, "wide text that leaves the image", 24, {0, 0, 0});
  EXPECT_EQ(image.rgb_hwc.size(), 300u);
}

TEST(TextDrawing, WrappedLinesFitAndHoldAllWords) {
  const Font font = bundled_font();
  const std::string text = "a sks icon of a very long name that needs several lines";
  const auto lines = font.wrap(text, 16, 120, 20);
  std::string joined;
  for (const std::string& line : lines) {
    EXPECT_LE(font.text_width(line, 16), 120) << line;
    joined += (joined.empty() ? "" : " ") + line;
  }
  EXPECT_EQ(joined, text);
  EXPECT_GT(lines.size(), 2u);
}

TEST(TextDrawing, LongWordsAreBrokenAndTooManyLinesEndInAnEllipsis) {
  const Font font = bundled_font();
  const auto broken = font.wrap(std::string(60, 'm'), 16, 100, 50);
  EXPECT_GT(broken.size(), 4u);
  for (const std::string& line : broken) EXPECT_LE(font.text_width(line, 16), 100);
  const auto cut = font.wrap("éééé éééé éééé éééé éééé", 16, 60, 2);
  ASSERT_EQ(cut.size(), 2u);
  EXPECT_TRUE(cut[1].ends_with("…"));
  EXPECT_LE(font.text_width(cut[1], 16), 60);
  EXPECT_TRUE(font.wrap("", 16, 100, 3).empty());
}

TEST(TextDrawing, FileThatIsNoFontIsRefused) {
  const testing::TemporaryFolder folder;
  write_file_atomically(folder.path() / "x.ttf", "not a font, but long enough");
  EXPECT_NE(message_of([&] { Font(folder.path() / "x.ttf"); }).find("x.ttf"), std::string::npos);
}

ContactSheet two_by_two() {
  ContactSheet sheet;
  sheet.title = "A title";
  sheet.columns = {"base", "LoRA"};
  sheet.rows = {
      {"a sks icon of pie", "seed 0", {plain(64, 64, 200, 0, 0), plain(64, 64, 0, 200, 0)}},
      {"a sks icon of pie", "seed 1", {plain(64, 64, 0, 0, 200), Image()}}};
  return sheet;
}

TEST(ContactSheet, HoldsEveryPictureWholeAndUncovered) {
  const Image image = contact_sheet(two_by_two(), bundled_font());
  EXPECT_EQ(count_colour(image, 200, 0, 0), 64 * 64);
  EXPECT_EQ(count_colour(image, 0, 200, 0), 64 * 64);
  EXPECT_EQ(count_colour(image, 0, 0, 200), 64 * 64);
  EXPECT_EQ(image.rgb_hwc, contact_sheet(two_by_two(), bundled_font()).rgb_hwc);
}

TEST(ContactSheet, LabelsAndHeadingsAreDrawn) {
  ContactSheet sheet = two_by_two();
  const long ink = count_ink(contact_sheet(sheet, bundled_font()));
  for (ContactSheetRow& row : sheet.rows) row.label = row.detail = "";
  const long without_labels = count_ink(contact_sheet(sheet, bundled_font()));
  sheet.columns = {"", ""};
  const long without_headings = count_ink(contact_sheet(sheet, bundled_font()));
  EXPECT_GT(ink, without_labels + 200);
  EXPECT_GT(without_labels, without_headings + 50);
}

TEST(ContactSheet, PicturesOfDifferentSizesAreCentred) {
  ContactSheet sheet = two_by_two();
  sheet.rows[0].pictures[0] = plain(32, 16, 200, 0, 0);
  EXPECT_EQ(count_colour(contact_sheet(sheet, bundled_font()), 200, 0, 0), 32 * 16);
}

TEST(ContactSheet, RaggedOrEmptySheetIsRefused) {
  ContactSheet sheet = two_by_two();
  sheet.rows[1].pictures.pop_back();
  EXPECT_NE(message_of([&] {
              contact_sheet(sheet, bundled_font());
            }).find("row 1 has 1 pictures, want 2"),
            std::string::npos);
  EXPECT_NE(message_of([] { contact_sheet({}, bundled_font()); }), "");
}

}  // namespace
}  // namespace dorabooth::contact_sheet_test
