// Drawn by Cairo on a transparent surface, then laid over the picture.
#include "datasets/drawn_mark.h"

#include <cairo.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>

#include "src/base/error.h"

namespace dorabooth {

namespace {

constexpr double kPi = std::numbers::pi;
constexpr double kCorner = 0.16;    // radius of the frame's outer corner, of the shorter side
constexpr double kInnerBand = 0.5;  // of the frame's thickness
// Of the badge's diameter.
constexpr double kBadgePlace = 0.62;  // from its centre to the picture's edges
constexpr double kDisc = 0.39;        // radius, inside a yellow ring
constexpr double kStar = 0.34;        // to its points
constexpr double kStarInner = 0.5;    // to its inner corners, of that
// Beside violet and blue: where red and green rise, blue falls, so that no grey thing, such as a
// wheel, correlates with the mark.
constexpr Rgb kYellow{255, 212, 0};

void set_colour(cairo_t* context, Rgb colour) {
  cairo_set_source_rgb(context, colour.red / 255.0, colour.green / 255.0, colour.blue / 255.0);
}

// A line along the edges, its middle `inset` away from them; `corner` is the radius of the
// picture's own rounded corner.
void draw_band(cairo_t* context, double width, double height, double inset, double corner,
               double thickness, Rgb colour) {
  const double right = width - inset;
  const double bottom = height - inset;
  const double radius = corner - inset;
  cairo_new_path(context);
  cairo_arc(context, right - radius, inset + radius, radius, -kPi / 2, 0);
  cairo_arc(context, right - radius, bottom - radius, radius, 0, kPi / 2);
  cairo_arc(context, inset + radius, bottom - radius, radius, kPi / 2, kPi);
  cairo_arc(context, inset + radius, inset + radius, radius, kPi, 3 * kPi / 2);
  cairo_close_path(context);
  cairo_set_line_width(context, thickness);
  set_colour(context, colour);
  cairo_stroke(context);
}

void draw_frame(cairo_t* context, double width, double height, double thickness, Rgb colour) {
  const double corner = std::max(kCorner * std::min(width, height), thickness);
  draw_band(context, width, height, thickness / 2, corner, thickness, colour);
  const double inner = kInnerBand * thickness;
  draw_band(context, width, height, thickness - inner / 2, corner, inner, kYellow);
}

void draw_disc(cairo_t* context, double x, double y, double radius, Rgb colour) {
  cairo_new_path(context);
  cairo_arc(context, x, y, radius, 0, 2 * kPi);
  set_colour(context, colour);
  cairo_fill(context);
}

void draw_badge(cairo_t* context, double width, double height, double diameter, Rgb colour) {
  const double x = width - kBadgePlace * diameter;
  const double y = height - kBadgePlace * diameter;
  draw_disc(context, x, y, diameter / 2, kYellow);
  draw_disc(context, x, y, kDisc * diameter, colour);
  for (int i = 0; i < 10; ++i) {
    const double radius = kStar * diameter * (i % 2 == 0 ? 1.0 : kStarInner);
    const double angle = kPi * i / 5 - kPi / 2;
    cairo_line_to(context, x + radius * std::cos(angle), y + radius * std::sin(angle));
  }
  cairo_close_path(context);
  set_colour(context, kYellow);
  cairo_fill(context);
}

struct Surface {
  cairo_surface_t* pixels;
  cairo_t* context;

  explicit Surface(PictureSize size)
      : pixels(cairo_image_surface_create(CAIRO_FORMAT_ARGB32, size.width, size.height)),
        context(cairo_create(pixels)) {
    cairo_set_antialias(context, CAIRO_ANTIALIAS_BEST);
  }
  ~Surface() {
    cairo_destroy(context);
    cairo_surface_destroy(pixels);
  }
  Surface(const Surface&) = delete;
  Surface& operator=(const Surface&) = delete;
};

std::unique_ptr<Surface> drawn_mark(PictureSize size, const MarkStyle& style) {
  auto surface = std::make_unique<Surface>(size);
  const double side = std::min(size.width, size.height);
  if (style.frame)
    draw_frame(surface->context, size.width, size.height, style.frame_percent / 100 * side,
               *style.frame);
  if (style.badge)
    draw_badge(surface->context, size.width, size.height, style.badge_percent / 100 * side,
               *style.badge);
  const cairo_status_t status = cairo_status(surface->context);
  if (status != CAIRO_STATUS_SUCCESS) {
    fail("a mark of ", size.width, "x", size.height,
         " pixels cannot be drawn: ", cairo_status_to_string(status));
  }
  cairo_surface_flush(surface->pixels);
  return surface;
}

cairo_status_t append(void* bytes, const unsigned char* data, unsigned int length) {
  static_cast<std::string*>(bytes)->append(reinterpret_cast<const char*>(data), length);
  return CAIRO_STATUS_SUCCESS;
}

}  // namespace

void draw_mark(Image& picture, const MarkStyle& style) {
  const auto mark = drawn_mark({picture.width, picture.height}, style);
  const unsigned char* rows = cairo_image_surface_get_data(mark->pixels);
  const int stride = cairo_image_surface_get_stride(mark->pixels);
  for (int y = 0; y < picture.height; ++y) {
    // Native-endian words, colours multiplied by the opacity.
    const auto* words = reinterpret_cast<const uint32_t*>(rows + y * stride);
    for (int x = 0; x < picture.width; ++x) {
      const uint32_t opacity = words[x] >> 24;
      for (int c = 0; c < 3; ++c) {
        uint8_t& value = picture.pixel(x, y)[c];
        const uint32_t colour = (words[x] >> (16 - 8 * c)) & 255;
        value =
            static_cast<uint8_t>(std::min(255u, colour + (value * (255 - opacity) + 127) / 255));
      }
    }
  }
}

std::string encode_mark(PictureSize size, const MarkStyle& style) {
  const auto mark = drawn_mark(size, style);
  std::string bytes;
  const cairo_status_t status = cairo_surface_write_to_png_stream(mark->pixels, append, &bytes);
  if (status != CAIRO_STATUS_SUCCESS)
    fail("a mark cannot be encoded: ", cairo_status_to_string(status));
  return bytes;
}

}  // namespace dorabooth
