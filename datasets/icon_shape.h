// What a flat icon on white is made of: what is ground, how far each pixel is covered, which pixels
// are of one colour.
#pragma once

#include <vector>

#include "datasets/drawn_colour.h"

namespace dorabooth {

struct IconShape {
  int side = 0;
  // A length that is so many pixels at a side of 128.
  float pixels(float of_128) const { return of_128 * static_cast<float>(side) / 128.0f; }
  ColourPlane flat;             // the icon at this size on white
  ColourPlane colour;           // without the ground's share; ground has the nearest pixel's colour
  Plane alpha;                  // 0: ground, 1: icon, between on the outline
  cv::Mat_<int> mask;           // 1 where alpha is above a half
  cv::Mat_<int> regions;        // 0: ground; 1, 2, …: connected parts of one colour
  std::vector<int> areas;       // of each region in pixels; of the ground too
  std::vector<Colour> colours;  // mean of each region
  std::vector<cv::Rect> bounds;  // of each region
  Plane to_ground;               // distance to the ground in pixels; 0 on it
  Plane to_edge;                 // distance to the nearest pixel of another region
  cv::Rect box;                  // of the mask
};

// White that is connected to the picture's border is ground, other white is part of the icon. The
// icon is brought to `side` and shrunk so that it takes no more than `fill` of it. Throws if there
// is nothing but ground.
IconShape icon_shape(const Image& flat, int side, float fill);

// From an icon that is already taken apart: its colours (anything on the ground), its coverage, its
// parts, numbered from 1.
IconShape shape_of_parts(const ColourPlane& colour, const Plane& alpha,
                         const cv::Mat_<int>& regions);

// Connected parts of the mask whose neighbours differ little; parts smaller than `least_area`
// pixels go to the nearest larger one.
cv::Mat_<int> colour_regions(const ColourPlane& flat, const cv::Mat_<int>& mask, int least_area);

}  // namespace dorabooth
