// Widths from the smallest side on, each with the largest height that keeps the area.
#include "datasets/bucket.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>

#include "src/base/error.h"

namespace dorabooth {

namespace {

int rounded_down(double side, int steps) { return static_cast<int>(side) / steps * steps; }

double aspect_of(PictureSize size) {
  return static_cast<double>(size.width) / static_cast<double>(size.height);
}

void check(const BucketRule& rule) {
  if (rule.steps < 8 || rule.steps % 8 != 0) {
    throw UsageError(concat("--bucket_reso_steps: want a multiple of 8, got ", rule.steps));
  }
  if (rule.min_side > rule.resolution || rule.max_side < rule.resolution) {
    throw UsageError(concat("--min_bucket_reso ", rule.min_side, " and --max_bucket_reso ",
                            rule.max_side, " must enclose --resolution ", rule.resolution));
  }
  if (rule.resolution < rule.steps) {
    throw UsageError(
        concat("--bucket_reso_steps ", rule.steps, " is above --resolution ", rule.resolution));
  }
}

PictureSize own_size(const BucketRule& rule, PictureSize picture) {
  const double area = static_cast<double>(rule.resolution) * rule.resolution;
  const double own = static_cast<double>(picture.width) * picture.height;
  const double scale = std::min(1.0, std::sqrt(area / own));
  const auto side = [&](int length) {
    const int longest =
        std::min(rounded_down(length * scale, rule.steps), rounded_down(rule.max_side, rule.steps));
    return std::max(longest, rule.steps);
  };
  return {side(picture.width), side(picture.height)};
}

}  // namespace

std::vector<PictureSize> bucket_sizes(const BucketRule& rule) {
  check(rule);
  const int64_t area = int64_t{rule.resolution} * rule.resolution;
  std::set<std::pair<int, int>> sizes;
  const int square = rounded_down(rule.resolution, rule.steps);
  sizes.emplace(square, square);
  const int first = (rule.min_side + rule.steps - 1) / rule.steps * rule.steps;
  for (int width = first; width <= rule.max_side; width += rule.steps) {
    const int64_t tallest = std::min<int64_t>(rule.max_side, area / width);
    const int height = rounded_down(static_cast<double>(tallest), rule.steps);
    if (height < rule.min_side) continue;
    sizes.emplace(width, height);
    sizes.emplace(height, width);
  }
  std::vector<PictureSize> result;
  for (const auto& [width, height] : sizes) result.push_back({width, height});
  return result;
}

PictureSize bucket_of(const BucketRule& rule, PictureSize picture) {
  const std::vector<PictureSize> sizes = bucket_sizes(rule);
  if (rule.no_upscale) return own_size(rule, picture);
  const double aspect = aspect_of(picture);
  return *std::min_element(sizes.begin(), sizes.end(), [&](PictureSize a, PictureSize b) {
    return std::abs(aspect_of(a) - aspect) < std::abs(aspect_of(b) - aspect);
  });
}

}  // namespace dorabooth
