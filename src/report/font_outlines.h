// Text as outlines of a TrueType font, unhinted, so that its shape is the same at any place, on any
// machine and in every format.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

typedef struct _cairo cairo_t;

namespace dorabooth {

class FontOutlines {
 public:
  explicit FontOutlines(const std::filesystem::path& path);
  ~FontOutlines();
  FontOutlines(const FontOutlines&) = delete;
  FontOutlines& operator=(const FontOutlines&) = delete;

  // `size` is the em's side in pixels. With kerning; a character that the font lacks is its box.
  double width(std::string_view utf8, double size) const;
  // Adds the text to the current path; its baseline begins at the origin.
  void add_path(cairo_t* context, std::string_view utf8, double size) const;
  // Height of a capital letter.
  double cap_height(double size) const;

 private:
  struct Face;
  std::unique_ptr<Face> face_;
};

}  // namespace dorabooth
