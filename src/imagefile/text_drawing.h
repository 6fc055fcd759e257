// What contact sheets are drawn with: anti-aliased text from a TrueType font, pictures put in
// place.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/imagefile/image_file.h"

namespace dorabooth {

// Text on a sheet, and the grey of the sheet itself.
inline constexpr Rgb kSheetInk{24, 24, 24};
inline constexpr uint8_t kSheetPaper = 255;

// The whole picture must lie inside the sheet.
void paste(Image& sheet, const Image& picture, int left, int top);

// The font file must be one that is trusted: its tables are not checked against damage.
class Font {
 public:
  explicit Font(const std::filesystem::path& path);
  ~Font();
  Font(Font&&) noexcept;
  Font& operator=(Font&&) noexcept;

  // `pixels` is the height from ascender to descender.
  int line_height(float pixels) const;
  int text_width(std::string_view utf8, float pixels) const;

  // Lines of at most `width` pixels, broken at spaces, inside a word only where it is longer than a
  // line. What does not fit into `max_lines` is cut with an ellipsis.
  std::vector<std::string> wrap(std::string_view utf8, float pixels, int width,
                                size_t max_lines) const;

  // The line's top left corner is at (left, top). A character that the font lacks becomes an empty
  // box; what falls outside the image is left out.
  void draw(Image& image, int left, int top, std::string_view utf8, float pixels, Rgb colour) const;

 private:
  struct Face;
  std::unique_ptr<Face> face_;
};

}  // namespace dorabooth
