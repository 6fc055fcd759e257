// Flood fill from the border, the outline's coverage from the colours beside it, regions by joining
// neighbours of like colour.
#include "datasets/icon_shape.h"

#include <cmath>
#include <numeric>
#include <opencv2/imgproc.hpp>

#include "src/base/error.h"

namespace dorabooth {

namespace {

constexpr float kGroundAbove = 0.985f;   // of every channel
constexpr float kLikeColours = 0.05f;    // largest difference of a channel
constexpr float kLeastRegion = 0.0012f;  // of the picture's area

bool is_white(const Colour& colour) {
  return std::min({colour[0], colour[1], colour[2]}) > kGroundAbove;
}

// 1 for ground.
cv::Mat_<uint8_t> ground_of(const ColourPlane& flat) {
  cv::Mat_<uint8_t> ground(flat.rows, flat.cols, uint8_t{0});
  std::vector<cv::Point> open;
  const auto visit = [&](int x, int y) {
    if (x < 0 || y < 0 || x >= flat.cols || y >= flat.rows) return;
    if (ground(y, x) != 0 || !is_white(flat(y, x))) return;
    ground(y, x) = 1;
    open.emplace_back(x, y);
  };
  for (int x = 0; x < flat.cols; ++x) {
    visit(x, 0);
    visit(x, flat.rows - 1);
  }
  for (int y = 0; y < flat.rows; ++y) {
    visit(0, y);
    visit(flat.cols - 1, y);
  }
  while (!open.empty()) {
    const cv::Point at = open.back();
    open.pop_back();
    visit(at.x - 1, at.y);
    visit(at.x + 1, at.y);
    visit(at.x, at.y - 1);
    visit(at.x, at.y + 1);
  }
  return ground;
}

cv::Rect box_of(const cv::Mat_<uint8_t>& ground) {
  const cv::Mat shape = ground == 0;
  const cv::Rect box = cv::boundingRect(shape);
  if (box.empty()) fail("a picture that is white all over has no icon to draw");
  return box;
}

struct Fitted {
  ColourPlane flat;
  float scale = 1.0f;
};

// The whole picture about its middle at a scale where the icon takes at most `fill`.
Fitted fitted(const ColourPlane& source, int side, float fill) {
  const cv::Rect box = box_of(ground_of(source));
  const int longer = std::max(source.cols, source.rows);
  const float taken =
      static_cast<float>(std::max(box.width, box.height)) / static_cast<float>(longer);
  const float scale =
      std::min(1.0f, fill / taken) * static_cast<float>(side) / static_cast<float>(longer);
  const auto scaled = [&](int length) {
    return std::clamp(static_cast<int>(std::lround(static_cast<float>(length) * scale)), 1, side);
  };
  cv::Mat resized;
  cv::resize(source, resized, {scaled(source.cols), scaled(source.rows)}, 0, 0,
             scale < 0.9f ? cv::INTER_AREA : cv::INTER_CUBIC);
  resized = cv::max(cv::min(resized, cv::Scalar::all(1.0)), cv::Scalar::all(0.0));
  ColourPlane flat(side, side, kWhite);
  resized.copyTo(flat(
      cv::Rect((side - resized.cols) / 2, (side - resized.rows) / 2, resized.cols, resized.rows)));
  return {flat, scale};
}

// For every pixel the place of the nearest one whose `wanted` is 1; itself where there is none.
cv::Mat_<cv::Point> nearest_pixels(const cv::Mat_<uint8_t>& wanted) {
  cv::Mat_<cv::Point> nearest(wanted.rows, wanted.cols);
  cv::Mat distance;
  cv::Mat labels;
  const cv::Mat zeros = wanted == 0;
  cv::distanceTransform(zeros, distance, labels, cv::DIST_L2, cv::DIST_MASK_5,
                        cv::DIST_LABEL_PIXEL);
  std::vector<cv::Point> places(static_cast<size_t>(wanted.total()) + 1, cv::Point(-1, -1));
  for (int y = 0; y < wanted.rows; ++y) {
    for (int x = 0; x < wanted.cols; ++x) {
      if (wanted(y, x) != 0) places[static_cast<size_t>(labels.at<int>(y, x))] = cv::Point(x, y);
    }
  }
  for (int y = 0; y < wanted.rows; ++y) {
    for (int x = 0; x < wanted.cols; ++x) {
      const cv::Point place = places[static_cast<size_t>(labels.at<int>(y, x))];
      nearest(y, x) = place.x < 0 ? cv::Point(x, y) : place;
    }
  }
  return nearest;
}

// The colour that is furthest from white among a pixel and its neighbours: of thin lines, which
// have no inside.
Colour darkest_near(const ColourPlane& flat, int x, int y) {
  Colour best = flat(y, x);
  for (int v = std::max(0, y - 1); v <= std::min(flat.rows - 1, y + 1); ++v) {
    for (int u = std::max(0, x - 1); u <= std::min(flat.cols - 1, x + 1); ++u) {
      if (luminance(flat(v, u)) < luminance(best)) best = flat(v, u);
    }
  }
  return best;
}

// Coverage of a pixel whose own colour would be `pure`, by least squares.
float coverage(const Colour& seen, const Colour& pure) {
  const Colour whole = kWhite - pure;
  const Colour part = kWhite - seen;
  const float length = whole.dot(whole);
  return length < 1e-3f ? 1.0f : clamp01(part.dot(whole) / length);
}

// Uncovered pixels take the colour of the nearest covered one.
void spread_colour(IconShape& shape) {
  const cv::Mat_<uint8_t> known(shape.alpha > 0.0f);
  const cv::Mat_<cv::Point> source = nearest_pixels(known);
  const ColourPlane covered = shape.colour.clone();
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      if (known(y, x) == 0) shape.colour(y, x) = covered(source(y, x));
    }
  }
}

// An outline is a pixel and a half wide in the source, which was enlarged by `scale`.
void take_coverage(const cv::Mat_<uint8_t>& ground, float scale, IconShape& shape) {
  const int side = shape.side;
  cv::Mat distance;
  const cv::Mat inside = ground == 0;
  cv::distanceTransform(inside, distance, cv::DIST_L2, cv::DIST_MASK_5);
  const float outline = 1.8f * std::max(1.0f, scale);
  const cv::Mat_<uint8_t> core(distance > outline);
  const cv::Mat_<cv::Point> nearest = nearest_pixels(core);
  shape.alpha = Plane(side, side, 0.0f);
  shape.colour = shape.flat.clone();
  const float reach = outline + 1.2f;
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      if (ground(y, x) != 0) continue;
      shape.alpha(y, x) = 1.0f;
      if (core(y, x) != 0) continue;
      const cv::Point way = nearest(y, x) - cv::Point(x, y);
      const bool has_core =
          core(nearest(y, x)) != 0 && static_cast<float>(way.dot(way)) <= reach * reach;
      const Colour pure = has_core ? shape.flat(nearest(y, x)) : darkest_near(shape.flat, x, y);
      shape.alpha(y, x) = coverage(shape.flat(y, x), pure);
      shape.colour(y, x) = pure;
    }
  }
  spread_colour(shape);
}

class Joined {
 public:
  explicit Joined(int count) : parents_(static_cast<size_t>(count)) {
    std::iota(parents_.begin(), parents_.end(), 0);
  }
  int root(int at) {
    while (parent(at) != at) {
      parent(at) = parent(parent(at));
      at = parent(at);
    }
    return at;
  }
  void join(int a, int b) { parent(std::max(root(a), root(b))) = std::min(root(a), root(b)); }

 private:
  int& parent(int at) { return parents_[static_cast<size_t>(at)]; }
  std::vector<int> parents_;
};

bool alike(const Colour& a, const Colour& b) {
  return std::max({std::abs(a[0] - b[0]), std::abs(a[1] - b[1]), std::abs(a[2] - b[2])}) <
         kLikeColours;
}

void measure_regions(IconShape& shape) {
  int count = 0;
  for (const int label : shape.regions) count = std::max(count, label);
  const auto size = static_cast<size_t>(count) + 1;
  shape.areas.assign(size, 0);
  shape.colours.assign(size, Colour());
  shape.bounds.assign(size, cv::Rect());
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x) {
      const auto label = static_cast<size_t>(shape.regions(y, x));
      shape.areas[label] += 1;
      shape.colours[label] += shape.colour(y, x);
      shape.bounds[label] |= cv::Rect(x, y, 1, 1);
    }
  }
  for (size_t i = 0; i < size; ++i)
    shape.colours[i] *= 1.0f / static_cast<float>(std::max(1, shape.areas[i]));
}

// 1 where a neighbour on the right or below has another label.
cv::Mat_<uint8_t> region_edges(const cv::Mat_<int>& regions) {
  cv::Mat_<uint8_t> edges(regions.rows, regions.cols, uint8_t{0});
  for (int y = 0; y < regions.rows; ++y) {
    for (int x = 0; x < regions.cols; ++x) {
      const int here = regions(y, x);
      const bool differs = (x + 1 < regions.cols && regions(y, x + 1) != here) ||
                           (y + 1 < regions.rows && regions(y + 1, x) != here);
      edges(y, x) = differs ? 1 : 0;
    }
  }
  return edges;
}

cv::Mat_<int> mask_of(const Plane& alpha) {
  cv::Mat_<int> mask(alpha.rows, alpha.cols);
  for (int y = 0; y < alpha.rows; ++y) {
    for (int x = 0; x < alpha.cols; ++x) mask(y, x) = alpha(y, x) > 0.5f ? 1 : 0;
  }
  return mask;
}

void measure(IconShape& shape) {
  measure_regions(shape);
  shape.box = cv::boundingRect(cv::Mat(shape.mask > 0));
  cv::distanceTransform(cv::Mat(shape.mask > 0), shape.to_ground, cv::DIST_L2, cv::DIST_MASK_5);
  cv::distanceTransform(cv::Mat(region_edges(shape.regions) == 0), shape.to_edge, cv::DIST_L2,
                        cv::DIST_MASK_5);
}

}  // namespace

cv::Mat_<int> colour_regions(const ColourPlane& flat, const cv::Mat_<int>& mask, int least_area) {
  const int columns = flat.cols;
  const auto place = [&](int x, int y) { return y * columns + x; };
  Joined joined(flat.rows * columns);
  for (int y = 0; y < flat.rows; ++y) {
    for (int x = 0; x < columns; ++x) {
      if (mask(y, x) == 0) continue;
      const auto try_join = [&](int u, int v) {
        if (u < columns && v < flat.rows && mask(v, u) != 0 && alike(flat(y, x), flat(v, u)))
          joined.join(place(x, y), place(u, v));
      };
      try_join(x + 1, y);
      try_join(x, y + 1);
    }
  }
  std::vector<int> areas(static_cast<size_t>(flat.rows * columns), 0);
  for (int i = 0; i < flat.rows * columns; ++i) areas[static_cast<size_t>(joined.root(i))] += 1;
  std::vector<int> numbers(areas.size(), 0);
  int count = 0;
  cv::Mat_<int> regions(flat.rows, columns, 0);
  cv::Mat_<uint8_t> large(flat.rows, columns, uint8_t{0});
  for (int y = 0; y < flat.rows; ++y) {
    for (int x = 0; x < columns; ++x) {
      const auto root = static_cast<size_t>(joined.root(place(x, y)));
      if (mask(y, x) == 0 || areas[root] < least_area) continue;
      if (numbers[root] == 0) numbers[root] = ++count;
      regions(y, x) = numbers[root];
      large(y, x) = 1;
    }
  }
  const cv::Mat_<int> whole = regions.clone();
  const cv::Mat_<cv::Point> nearest = nearest_pixels(large);
  for (int y = 0; y < flat.rows; ++y) {
    for (int x = 0; x < columns; ++x) {
      if (mask(y, x) != 0 && regions(y, x) == 0)
        regions(y, x) = count == 0 ? 1 : whole(nearest(y, x));
    }
  }
  return regions;
}

IconShape icon_shape(const Image& flat, int side, float fill) {
  if (flat.empty()) fail("a picture without pixels has no icon to draw");
  cv::setNumThreads(1);
  IconShape shape;
  shape.side = side;
  const Fitted icon = fitted(colour_plane(flat), side, fill);
  shape.flat = icon.flat;
  const cv::Mat_<uint8_t> ground = ground_of(shape.flat);
  box_of(ground);
  take_coverage(ground, icon.scale, shape);
  shape.mask = mask_of(shape.alpha);
  const auto least = static_cast<int>(kLeastRegion * static_cast<float>(side * side));
  shape.regions = colour_regions(shape.colour, shape.mask, std::max(4, least));
  measure(shape);
  return shape;
}

IconShape shape_of_parts(const ColourPlane& colour, const Plane& alpha,
                         const cv::Mat_<int>& regions) {
  IconShape shape;
  shape.side = alpha.rows;
  shape.alpha = alpha;
  shape.colour = colour.clone();
  shape.regions = regions;
  shape.mask = mask_of(alpha);
  spread_colour(shape);
  shape.flat = ColourPlane(shape.side, shape.side);
  for (int y = 0; y < shape.side; ++y) {
    for (int x = 0; x < shape.side; ++x)
      shape.flat(y, x) = mix(kWhite, shape.colour(y, x), alpha(y, x));
  }
  measure(shape);
  return shape;
}

}  // namespace dorabooth
