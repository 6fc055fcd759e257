// Heights over flat regions: a membrane blown up from below and held at the regions' edges, so that
// a disc becomes half a ball.
#pragma once

#include "datasets/drawn_colour.h"

namespace dorabooth {

// Heights in pixels: h = 2*sqrt(p), where p solves Laplace(p) - p/plateau^2 = -1 in every region of
// equal label above 0 and is 0 outside and between labels. `plateau`: further from the edge than
// about this many pixels the surface is flat; 0: nowhere.
Plane inflated(const cv::Mat_<int>& labels, float plateau);

// Unit normals (x right, y down, z to the eye) of heights times `depth`, smoothed over `sigma`
// pixels first.
ColourPlane normals_of(const Plane& heights, float depth, float sigma);

}  // namespace dorabooth
