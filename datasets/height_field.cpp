// Red-black over-relaxation, from a coarse grid to the fine one.
#include "datasets/height_field.h"

#include <cmath>
#include <opencv2/imgproc.hpp>

namespace dorabooth {

namespace {

constexpr float kOverRelaxation = 1.7f;

void relax(const cv::Mat_<int>& labels, float leak, int sweeps, Plane& p) {
  const int rows = labels.rows;
  const int columns = labels.cols;
  const float inverse = 1.0f / (4.0f + leak);
  for (int half = 0; half < 2 * sweeps; ++half) {
    for (int y = 1; y + 1 < rows; ++y) {
      const int* here = labels[y];
      const int* above = labels[y - 1];
      const int* below = labels[y + 1];
      float* row = p[y];
      const float* row_above = p[y - 1];
      const float* row_below = p[y + 1];
      for (int x = 1 + (y + half) % 2; x + 1 < columns; x += 2) {
        const int label = here[x];
        if (label <= 0) continue;
        float sum = 1.0f;
        sum += here[x - 1] == label ? row[x - 1] : 0.0f;
        sum += here[x + 1] == label ? row[x + 1] : 0.0f;
        sum += above[x] == label ? row_above[x] : 0.0f;
        sum += below[x] == label ? row_below[x] : 0.0f;
        row[x] += kOverRelaxation * (sum * inverse - row[x]);
      }
    }
  }
}

cv::Mat_<int> halved(const cv::Mat_<int>& labels) {
  cv::Mat_<int> small(labels.rows / 2, labels.cols / 2);
  for (int y = 0; y < small.rows; ++y) {
    for (int x = 0; x < small.cols; ++x) small(y, x) = labels(2 * y + 1, 2 * x + 1);
  }
  return small;
}

// p in units of this grid's pixels squared.
Plane solved(const cv::Mat_<int>& labels, float leak) {
  constexpr int kCoarsest = 24;
  Plane p(labels.rows, labels.cols, 0.0f);
  if (labels.rows <= kCoarsest || labels.cols <= kCoarsest) {
    relax(labels, leak, 40, p);
    return p;
  }
  cv::resize(solved(halved(labels), 4.0f * leak), p, p.size(), 0, 0, cv::INTER_LINEAR);
  p *= 4.0f;
  for (int y = 0; y < p.rows; ++y) {
    for (int x = 0; x < p.cols; ++x) {
      const bool inside = labels(y, x) > 0 && y > 0 && x > 0 && y + 1 < p.rows && x + 1 < p.cols;
      if (!inside) p(y, x) = 0.0f;
    }
  }
  relax(labels, leak, 8, p);
  return p;
}

}  // namespace

Plane inflated(const cv::Mat_<int>& labels, float plateau) {
  const float leak = plateau > 0.0f ? 1.0f / (plateau * plateau) : 0.0f;
  Plane p = solved(labels, leak);
  for (float& value : p) value = 2.0f * std::sqrt(std::max(0.0f, value));
  return p;
}

ColourPlane normals_of(const Plane& heights, float depth, float sigma) {
  Plane smooth;
  cv::GaussianBlur(heights, smooth, {}, sigma, sigma, cv::BORDER_REPLICATE);
  ColourPlane normals(heights.rows, heights.cols);
  for (int y = 0; y < heights.rows; ++y) {
    const float* above = smooth[std::max(0, y - 1)];
    const float* below = smooth[std::min(heights.rows - 1, y + 1)];
    const float* here = smooth[y];
    for (int x = 0; x < heights.cols; ++x) {
      const float dx = here[std::min(heights.cols - 1, x + 1)] - here[std::max(0, x - 1)];
      const float dy = below[x] - above[x];
      const Colour normal(-0.5f * depth * dx, -0.5f * depth * dy, 1.0f);
      normals(y, x) = normal * (1.0f / std::sqrt(normal.dot(normal)));
    }
  }
  return normals;
}

}  // namespace dorabooth
