// What charts are drawn with: lines, boxes, markers and text on a Cairo surface that becomes a PNG
// or an SVG. Coordinates are pixels from the top left corner.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "src/report/chart.h"
#include "src/report/font_outlines.h"

namespace dorabooth {

struct ChartColour {
  double red = 0.0;  // 0 to 1
  double green = 0.0;
  double blue = 0.0;
  double opacity = 1.0;
};

struct CanvasPoint {
  double x = 0.0;
  double y = 0.0;
};

struct CanvasBox {
  double left = 0.0;
  double top = 0.0;
  double right = 0.0;
  double bottom = 0.0;

  double width() const { return right - left; }
  double height() const { return bottom - top; }
};

struct CanvasStroke {
  ChartColour colour;
  double width = 1.0;
  bool dashed = false;
};

enum class TextAnchor { kStart, kMiddle, kEnd };

struct CanvasText {
  double size = 13.0;  // of the em, in pixels
  ChartColour colour;
  TextAnchor anchor = TextAnchor::kStart;  // which part of the text lies at the point
  double degrees = 0.0;                    // clockwise about the point
};

inline constexpr int kMarkerShapes = 7;

class Canvas {
 public:
  Canvas(int width, int height, ChartFormat format, const FontOutlines& font);
  ~Canvas();
  Canvas(const Canvas&) = delete;
  Canvas& operator=(const Canvas&) = delete;

  void line(const std::vector<CanvasPoint>& points, const CanvasStroke& stroke);
  void frame(const CanvasBox& box, const CanvasStroke& stroke);
  void fill(const CanvasBox& box, const ChartColour& colour);
  // `shape` 0 is a circle; shapes repeat after kMarkerShapes. With a thin light edge.
  void marker(int shape, CanvasPoint centre, double radius, const ChartColour& colour);
  // The point is on the middle of a capital's height.
  void text(const std::string& utf8, CanvasPoint at, const CanvasText& style);

  // What is drawn while one lives stays inside its box.
  class Clip {
   public:
    Clip(Canvas& canvas, const CanvasBox& box);
    ~Clip();
    Clip(const Clip&) = delete;
    Clip& operator=(const Clip&) = delete;

   private:
    Canvas& canvas_;
  };

  // The file's bytes; nothing is drawn afterwards.
  std::string finish();

 private:
  struct Surface;
  std::unique_ptr<Surface> surface_;
  const FontOutlines& font_;
};

}  // namespace dorabooth
