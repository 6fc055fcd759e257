// How alike two pictures look, by what colours and what edges they have and roughly where: joint
// colour histograms (Swain and Ballard 1991, "Color Indexing") and histograms of oriented gradients
// (Dalal and Triggs 2005), of the whole picture and over a grid of 4x4 cells.
#pragma once

#include <vector>

#include "src/base/image.h"

namespace dorabooth {

// Of the largest centred square, brought to 64x64 pixels. Each histogram sums to 1 (one of edges to
// 0 if the picture has none).
// Colour: CIE L*a*b* (D65), a pixel shared out trilinearly among the 8 nearest of 5x7x7 bins whose
// centres are 25 apart in L* (0 to 100) and 30 in a* and b* (-90 to 90; beyond: the last bin).
// Edges: centred differences of L*; a pixel counts as much as its gradient is long, shared out
// between the 2 nearest of 9 bins of 20 degrees each; opposite directions are one.
// Cells: a pixel is shared out bilinearly among the 4 whose centres are nearest.
struct PictureHistogram {
  std::vector<float> colour;        // [5, 7, 7]: L*, a*, b*
  std::vector<float> edges;         // [9]
  std::vector<float> colour_cells;  // [4, 4, 5, 7, 7]: cells from top left by rows
  std::vector<float> edge_cells;    // [4, 4, 9]
};

PictureHistogram picture_histogram(const Image& image);

// The mean of the four histograms' chi-square distances, sum of (a-b)^2/(a+b) over 2, each 0 to 1:
// so colour and edges weigh the same, and so do the whole and the cells.
double histogram_distance(const PictureHistogram& a, const PictureHistogram& b);

}  // namespace dorabooth
