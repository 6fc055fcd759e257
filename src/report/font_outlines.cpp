// Outlines come from FreeType in the font's own units and are scaled by the drawing's matrix.
#include "src/report/font_outlines.h"

#include <cairo.h>
#include <ft2build.h>
#include FT_FREETYPE_H
#include FT_OUTLINE_H

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/base/utf8.h"

namespace dorabooth {

namespace {

struct Pen {
  cairo_t* context;
  double scale;  // of the font's units
  double x;      // of the glyph's origin
  double px(const FT_Vector* to) const { return x + scale * static_cast<double>(to->x); }
  double py(const FT_Vector* to) const { return -scale * static_cast<double>(to->y); }
};

int move_to(const FT_Vector* to, void* user) {
  const auto& pen = *static_cast<const Pen*>(user);
  cairo_close_path(pen.context);
  cairo_move_to(pen.context, pen.px(to), pen.py(to));
  return 0;
}

int line_to(const FT_Vector* to, void* user) {
  const auto& pen = *static_cast<const Pen*>(user);
  cairo_line_to(pen.context, pen.px(to), pen.py(to));
  return 0;
}

// Cairo has cubic curves: the control points lie two thirds of the way to the quadratic's one.
int conic_to(const FT_Vector* control, const FT_Vector* to, void* user) {
  const auto& pen = *static_cast<const Pen*>(user);
  double x0 = 0;
  double y0 = 0;
  cairo_get_current_point(pen.context, &x0, &y0);
  const double cx = pen.px(control);
  const double cy = pen.py(control);
  const double x1 = pen.px(to);
  const double y1 = pen.py(to);
  cairo_curve_to(pen.context, x0 + (cx - x0) * 2 / 3, y0 + (cy - y0) * 2 / 3,
                 x1 + (cx - x1) * 2 / 3, y1 + (cy - y1) * 2 / 3, x1, y1);
  return 0;
}

int cubic_to(const FT_Vector* first, const FT_Vector* second, const FT_Vector* to, void* user) {
  const auto& pen = *static_cast<const Pen*>(user);
  cairo_curve_to(pen.context, pen.px(first), pen.py(first), pen.px(second), pen.py(second),
                 pen.px(to), pen.py(to));
  return 0;
}

}  // namespace

struct FontOutlines::Face {
  std::string bytes;
  FT_Library library = nullptr;
  FT_Face face = nullptr;

  ~Face() {
    if (face != nullptr) FT_Done_Face(face);
    if (library != nullptr) FT_Done_FreeType(library);
  }

  double scale(double size) const { return size / static_cast<double>(face->units_per_EM); }

  // Calls visit(x) with every character's glyph loaded and its origin's x; returns the end's x.
  template <typename Visit>
  double place(std::string_view utf8, double size, Visit visit) const {
    double x = 0;
    FT_UInt before = 0;
    for (size_t at = 0; at < utf8.size();) {
      const FT_UInt glyph = FT_Get_Char_Index(face, next_code_point(utf8, at));
      FT_Vector kerning{};
      if (before != 0 && FT_Get_Kerning(face, before, glyph, FT_KERNING_UNSCALED, &kerning) == 0)
        x += scale(size) * static_cast<double>(kerning.x);
      before = glyph;
      if (FT_Load_Glyph(face, glyph, FT_LOAD_NO_SCALE) != 0) continue;
      visit(x);
      x += scale(size) * static_cast<double>(face->glyph->metrics.horiAdvance);
    }
    return x;
  }
};

FontOutlines::FontOutlines(const std::filesystem::path& path) : face_(std::make_unique<Face>()) {
  face_->bytes = read_file(path);
  const bool is_font =
      FT_Init_FreeType(&face_->library) == 0 &&
      FT_New_Memory_Face(face_->library, reinterpret_cast<const FT_Byte*>(face_->bytes.data()),
                         static_cast<FT_Long>(face_->bytes.size()), 0, &face_->face) == 0 &&
      FT_IS_SCALABLE(face_->face);
  if (!is_font) fail("cannot read font ", path.string(), ": it is not a font with outlines");
}

FontOutlines::~FontOutlines() = default;

double FontOutlines::width(std::string_view utf8, double size) const {
  return face_->place(utf8, size, [](double) {});
}

void FontOutlines::add_path(cairo_t* context, std::string_view utf8, double size) const {
  FT_Outline_Funcs to_cairo{};
  to_cairo.move_to = move_to;
  to_cairo.line_to = line_to;
  to_cairo.conic_to = conic_to;
  to_cairo.cubic_to = cubic_to;
  face_->place(utf8, size, [&](double x) {
    Pen pen{context, face_->scale(size), x};
    FT_Outline_Decompose(&face_->face->glyph->outline, &to_cairo, &pen);
  });
  cairo_close_path(context);
}

double FontOutlines::cap_height(double size) const {
  if (FT_Load_Char(face_->face, 'H', FT_LOAD_NO_SCALE) != 0) return 0.7 * size;
  return face_->scale(size) * static_cast<double>(face_->face->glyph->metrics.horiBearingY);
}

}  // namespace dorabooth
