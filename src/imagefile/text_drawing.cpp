// Glyph outlines through stb_truetype, placed with kerning at subpixel positions.
#include "src/imagefile/text_drawing.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/base/utf8.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#define STBTT_STATIC
#define STB_TRUETYPE_IMPLEMENTATION
#include <stb/stb_truetype.h>
#pragma GCC diagnostic pop

namespace dorabooth {

namespace {

constexpr std::string_view kEllipsis = "\xe2\x80\xa6";

// Joiners and variation selectors change the characters around them and have no shape of their own.
bool is_invisible(char32_t c) {
  return c < 0x20 || (c >= 0x200b && c <= 0x200f) || (c >= 0xfe00 && c <= 0xfe0f) || c == 0xfeff;
}

struct PlacedGlyph {
  int glyph = 0;  // 0: the font has none
  float x = 0;
  float advance = 0;
};

void blend(Image& image, int x, int y, int coverage, Rgb colour) {
  if (x < 0 || y < 0 || x >= image.width || y >= image.height) return;
  uint8_t* pixel = image.pixel(x, y);
  const uint8_t front[3] = {colour.red, colour.green, colour.blue};
  for (int c = 0; c < 3; ++c) {
    pixel[c] =
        static_cast<uint8_t>((front[c] * coverage + pixel[c] * (255 - coverage) + 127) / 255);
  }
}

void draw_box(Image& image, int left, int top, int right, int bottom, Rgb colour) {
  for (int x = left; x < right; ++x) {
    blend(image, x, top, 255, colour);
    blend(image, x, bottom - 1, 255, colour);
  }
  for (int y = top + 1; y < bottom - 1; ++y) {
    blend(image, left, y, 255, colour);
    blend(image, right - 1, y, 255, colour);
  }
}

// Words without the spaces between them.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
      if (!words.back().empty()) words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

}  // namespace

void paste(Image& sheet, const Image& picture, int left, int top) {
  for (int y = 0; y < picture.height; ++y) {
    std::copy_n(picture.pixel(0, y), static_cast<size_t>(picture.width) * 3,
                sheet.pixel(left, top + y));
  }
}

struct Font::Face {
  std::string bytes;
  stbtt_fontinfo info{};
  int ascent = 0;
  int descent = 0;

  float scale(float pixels) const { return stbtt_ScaleForPixelHeight(&info, pixels); }

  std::vector<PlacedGlyph> place(std::string_view utf8, float pixels) const {
    std::vector<PlacedGlyph> placed;
    float x = 0;
    for (size_t at = 0; at < utf8.size();) {
      const char32_t c = next_code_point(utf8, at);
      if (is_invisible(c)) continue;
      const int glyph = stbtt_FindGlyphIndex(&info, static_cast<int>(c));
      int advance = 0;
      int bearing = 0;
      stbtt_GetGlyphHMetrics(&info, glyph, &advance, &bearing);
      const float width = glyph == 0 ? pixels * 0.6f : static_cast<float>(advance) * scale(pixels);
      if (!placed.empty() && glyph != 0 && placed.back().glyph != 0) {
        const int kern = stbtt_GetGlyphKernAdvance(&info, placed.back().glyph, glyph);
        x += static_cast<float>(kern) * scale(pixels);
      }
      placed.push_back({glyph, x, width});
      x += width;
    }
    return placed;
  }
};

Font::Font(const std::filesystem::path& path) : face_(std::make_unique<Face>()) {
  face_->bytes = read_file(path);
  const auto* data = reinterpret_cast<const unsigned char*>(face_->bytes.data());
  const bool is_font = face_->bytes.size() > 12 && stbtt_GetFontOffsetForIndex(data, 0) == 0 &&
                       stbtt_InitFont(&face_->info, data, 0) != 0;
  if (!is_font) fail("cannot read font ", path.string(), ": it is not a TrueType file");
  int line_gap = 0;
  stbtt_GetFontVMetrics(&face_->info, &face_->ascent, &face_->descent, &line_gap);
}

Font::~Font() = default;
Font::Font(Font&&) noexcept = default;
Font& Font::operator=(Font&&) noexcept = default;

int Font::line_height(float pixels) const { return static_cast<int>(std::ceil(pixels)); }

int Font::text_width(std::string_view utf8, float pixels) const {
  const std::vector<PlacedGlyph> placed = face_->place(utf8, pixels);
  if (placed.empty()) return 0;
  return static_cast<int>(std::ceil(placed.back().x + placed.back().advance));
}

std::vector<std::string> Font::wrap(std::string_view utf8, float pixels, int width,
                                    size_t max_lines) const {
  const auto fits = [&](const std::string& text) { return text_width(text, pixels) <= width; };
  std::vector<std::string> lines;
  for (const std::string& word : words_of(utf8)) {
    if (!lines.empty() && fits(lines.back() + " " + word)) {
      lines.back() += " " + word;
      continue;
    }
    lines.emplace_back();
    for (size_t at = 0; at < word.size();) {
      const size_t begin = at;
      next_code_point(word, at);
      const std::string character = word.substr(begin, at - begin);
      if (!lines.back().empty() && !fits(lines.back() + character)) lines.emplace_back();
      lines.back() += character;
    }
  }
  if (lines.size() <= max_lines) return lines;
  lines.resize(max_lines);
  if (lines.empty()) return lines;
  std::string& last = lines.back();
  while (!last.empty() && !fits(last + std::string(kEllipsis))) {
    // Continuation bytes of UTF-8 go with their first byte.
    while (last.size() > 1 && (static_cast<unsigned char>(last.back()) & 0xc0) == 0x80)
      last.pop_back();
    last.pop_back();
  }
  last += kEllipsis;
  return lines;
}

void Font::draw(Image& image, int left, int top, std::string_view utf8, float pixels,
                Rgb colour) const {
  const float scale = face_->scale(pixels);
  const int baseline =
      top + static_cast<int>(std::lround(static_cast<float>(face_->ascent) * scale));
  std::vector<unsigned char> coverage;
  for (const PlacedGlyph& placed : face_->place(utf8, pixels)) {
    const float whole = std::floor(placed.x);
    const float shift = placed.x - whole;
    const int x = left + static_cast<int>(whole);
    if (placed.glyph == 0) {
      const int margin = std::max(1, static_cast<int>(pixels / 12));
      const int height = static_cast<int>(pixels * 0.65f);
      draw_box(image, x + margin, baseline - height, x + static_cast<int>(placed.advance) - margin,
               baseline, colour);
      continue;
    }
    int x0 = 0;
    int y0 = 0;
    int x1 = 0;
    int y1 = 0;
    stbtt_GetGlyphBitmapBoxSubpixel(&face_->info, placed.glyph, scale, scale, shift, 0, &x0, &y0,
                                    &x1, &y1);
    const int width = x1 - x0;
    const int height = y1 - y0;
    if (width <= 0 || height <= 0) continue;
    coverage.assign(static_cast<size_t>(width) * static_cast<size_t>(height), 0);
    stbtt_MakeGlyphBitmapSubpixel(&face_->info, coverage.data(), width, height, width, scale, scale,
                                  shift, 0, placed.glyph);
    for (int row = 0; row < height; ++row) {
      for (int column = 0; column < width; ++column) {
        const size_t at =
            static_cast<size_t>(row) * static_cast<size_t>(width) + static_cast<size_t>(column);
        blend(image, x + x0 + column, baseline + y0 + row, coverage[at], colour);
      }
    }
  }
}

}  // namespace dorabooth
