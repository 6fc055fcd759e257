#include "src/report/canvas.h"

#include <cairo-svg.h>
#include <cairo.h>

#include <array>
#include <cmath>
#include <numbers>
#include <string_view>

#include "src/base/error.h"

namespace dorabooth {

namespace {

constexpr double kPi = std::numbers::pi;

cairo_status_t append(void* bytes, const unsigned char* data, unsigned int length) {
  static_cast<std::string*>(bytes)->append(reinterpret_cast<const char*>(data), length);
  return CAIRO_STATUS_SUCCESS;
}

void polygon(cairo_t* context, CanvasPoint centre, double radius, int corners, double degrees) {
  for (int i = 0; i < corners; ++i) {
    const double angle = degrees * kPi / 180 + 2 * kPi * i / corners;
    cairo_line_to(context, centre.x + radius * std::cos(angle),
                  centre.y + radius * std::sin(angle));
  }
  cairo_close_path(context);
}

void cross(cairo_t* context, CanvasPoint centre, double radius) {
  const double arm = radius * 1.1;
  const double half = radius * 0.38;
  const std::array<CanvasPoint, 12> corners = {{{-half, -arm},
                                                {half, -arm},
                                                {half, -half},
                                                {arm, -half},
                                                {arm, half},
                                                {half, half},
                                                {half, arm},
                                                {-half, arm},
                                                {-half, half},
                                                {-arm, half},
                                                {-arm, -half},
                                                {-half, -half}}};
  for (const CanvasPoint& corner : corners)
    cairo_line_to(context, centre.x + corner.x, centre.y + corner.y);
  cairo_close_path(context);
}

// Of about the same area.
void marker_path(cairo_t* context, int shape, CanvasPoint centre, double radius) {
  switch (shape % kMarkerShapes) {
    case 0:
      cairo_arc(context, centre.x, centre.y, radius, 0, 2 * kPi);
      break;
    case 1:
      polygon(context, centre, radius * 1.25, 4, 45);
      break;
    case 2:
      polygon(context, centre, radius * 1.4, 3, -90);
      break;
    case 3:
      polygon(context, centre, radius * 1.35, 4, 0);
      break;
    case 4:
      polygon(context, centre, radius * 1.4, 3, 90);
      break;
    case 5:
      cross(context, centre, radius);
      break;
    default:
      polygon(context, centre, radius * 1.15, 6, 0);
      break;
  }
}

}  // namespace

struct Canvas::Surface {
  ChartFormat format;
  std::string svg;
  cairo_surface_t* surface = nullptr;
  cairo_t* context = nullptr;

  Surface(int width, int height, ChartFormat kind) : format(kind) {
    if (format == ChartFormat::kSvg) {
      surface = cairo_svg_surface_create_for_stream(append, &svg, width, height);
      cairo_svg_surface_set_document_unit(surface, CAIRO_SVG_UNIT_PX);
    } else {
      surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    }
    context = cairo_create(surface);
  }
  ~Surface() {
    cairo_destroy(context);
    cairo_surface_destroy(surface);
  }
  void colour(const ChartColour& value) {
    cairo_set_source_rgba(context, value.red, value.green, value.blue, value.opacity);
  }
  void stroke(const CanvasStroke& stroke) {
    colour(stroke.colour);
    cairo_set_line_width(context, stroke.width);
    cairo_set_line_join(context, CAIRO_LINE_JOIN_ROUND);
    const double dashes[2] = {4 * stroke.width, 3 * stroke.width};
    cairo_set_dash(context, dashes, stroke.dashed ? 2 : 0, 0);
    cairo_stroke(context);
  }
  void check(cairo_status_t status) const {
    if (status != CAIRO_STATUS_SUCCESS)
      fail("the chart cannot be drawn: ", cairo_status_to_string(status));
  }
};

Canvas::Canvas(int width, int height, ChartFormat format, const FontOutlines& font)
    : surface_(std::make_unique<Surface>(width, height, format)), font_(font) {
  cairo_set_antialias(surface_->context, CAIRO_ANTIALIAS_BEST);
  surface_->colour({1, 1, 1});
  cairo_paint(surface_->context);
}

Canvas::~Canvas() = default;

void Canvas::line(const std::vector<CanvasPoint>& points, const CanvasStroke& stroke) {
  for (const CanvasPoint& point : points) cairo_line_to(surface_->context, point.x, point.y);
  surface_->stroke(stroke);
}

void Canvas::frame(const CanvasBox& box, const CanvasStroke& stroke) {
  cairo_rectangle(surface_->context, box.left, box.top, box.width(), box.height());
  surface_->stroke(stroke);
}

void Canvas::fill(const CanvasBox& box, const ChartColour& colour) {
  cairo_rectangle(surface_->context, box.left, box.top, box.width(), box.height());
  surface_->colour(colour);
  cairo_fill(surface_->context);
}

void Canvas::marker(int shape, CanvasPoint centre, double radius, const ChartColour& colour) {
  cairo_new_path(surface_->context);
  marker_path(surface_->context, shape, centre, radius);
  surface_->colour(colour);
  cairo_fill_preserve(surface_->context);
  surface_->stroke({{1, 1, 1, 0.8}, 0.8, false});
}

void Canvas::text(const std::string& utf8, CanvasPoint at, const CanvasText& style) {
  const double width = font_.width(utf8, style.size);
  const double shift = style.anchor == TextAnchor::kStart    ? 0
                       : style.anchor == TextAnchor::kMiddle ? -width / 2
                                                             : -width;
  cairo_t* context = surface_->context;
  cairo_save(context);
  cairo_translate(context, at.x, at.y);
  cairo_rotate(context, style.degrees * kPi / 180);
  cairo_translate(context, shift, font_.cap_height(style.size) / 2);
  cairo_new_path(context);
  font_.add_path(context, utf8, style.size);
  surface_->colour(style.colour);
  cairo_fill(context);
  cairo_restore(context);
}

Canvas::Clip::Clip(Canvas& canvas, const CanvasBox& box) : canvas_(canvas) {
  cairo_t* context = canvas_.surface_->context;
  cairo_save(context);
  cairo_rectangle(context, box.left, box.top, box.width(), box.height());
  cairo_clip(context);
}

Canvas::Clip::~Clip() { cairo_restore(canvas_.surface_->context); }

std::string Canvas::finish() {
  surface_->check(cairo_status(surface_->context));
  std::string bytes;
  if (surface_->format == ChartFormat::kPng) {
    surface_->check(cairo_surface_write_to_png_stream(surface_->surface, append, &bytes));
    return bytes;
  }
  cairo_surface_finish(surface_->surface);
  surface_->check(cairo_surface_status(surface_->surface));
  // Cairo counts the surfaces of the process in this name.
  constexpr std::string_view kNumbered = "id=\"surface";
  const size_t begin = surface_->svg.find(kNumbered);
  if (begin == std::string::npos) return surface_->svg;
  const size_t end = surface_->svg.find('"', begin + kNumbered.size());
  return surface_->svg.replace(begin, end - begin, "id=\"chart");
}

}  // namespace dorabooth
