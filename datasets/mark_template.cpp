// OpenCV searches, by single precision and Fourier transforms; the best place's coefficient is then
// computed again in double precision, so that a plain ground cannot correlate by rounding.
#include "datasets/mark_template.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "src/base/error.h"

namespace dorabooth {

namespace {

constexpr double kReach = 0.05;  // of the picture's side
constexpr std::array<double, 5> kScales = {0.90, 0.95, 1.0, 1.05, 1.10};
constexpr double kOpaque = 0.98;
constexpr double kProportions = 0.02;
// A standard deviation below a level of 255 is a plain ground.
constexpr double kPlain = 1.0 / 255.0;

cv::Mat as_floats(const Image& image) {
  const cv::Mat bytes(image.height, image.width, CV_8UC3,
                      const_cast<uint8_t*>(image.rgb_hwc.data()));
  cv::Mat floats;
  bytes.convertTo(floats, CV_32FC3, 1.0 / 255.0, -0.5);
  return floats;
}

cv::Mat resized(const cv::Mat& picture, cv::Size size) {
  if (picture.size() == size) return picture;
  cv::Mat result;
  const bool smaller = size.width < picture.cols;
  cv::resize(picture, result, size, 0, 0, smaller ? cv::INTER_AREA : cv::INTER_LINEAR);
  return result;
}

// The part of a template that has the mark, at one size.
struct Cut {
  cv::Mat pixels;  // [height, width, 3]
  cv::Mat mask;    // likewise; 1 where opaque
  cv::Rect place;  // in the template
  cv::Size template_size;
};

Cut cut_of(const cv::Mat& pixels, const cv::Mat& alpha) {
  const cv::Mat opaque = alpha >= kOpaque;
  Cut cut;
  cut.place = cv::boundingRect(opaque);
  cut.template_size = pixels.size();
  if (cut.place.empty()) return cut;
  cut.pixels = pixels(cut.place).clone();
  cv::Mat one;
  opaque(cut.place).convertTo(one, CV_32F, 1.0 / 255.0);
  cv::merge(std::vector<cv::Mat>{one, one, one}, cut.mask);
  return cut;
}

// Of the opaque pixels: Σ (p − p̄)(t − t̄) / √(Σ (p − p̄)² Σ (t − t̄)²) over all channels, each with
// means of its own.
double coefficient(const cv::Mat& picture, const Cut& cut) {
  double pp = 0;
  double tt = 0;
  double pt = 0;
  double count = 0;
  for (int c = 0; c < 3; ++c) {
    double sum_p = 0, sum_t = 0, sum_pp = 0, sum_tt = 0, sum_pt = 0, n = 0;
    for (int y = 0; y < cut.pixels.rows; ++y) {
      for (int x = 0; x < cut.pixels.cols; ++x) {
        if (cut.mask.at<cv::Vec3f>(y, x)[c] == 0) continue;
        const double p = picture.at<cv::Vec3f>(y, x)[c];
        const double t = cut.pixels.at<cv::Vec3f>(y, x)[c];
        sum_p += p;
        sum_t += t;
        sum_pp += p * p;
        sum_tt += t * t;
        sum_pt += p * t;
        n += 1;
      }
    }
    pp += sum_pp - sum_p * sum_p / n;
    tt += sum_tt - sum_t * sum_t / n;
    pt += sum_pt - sum_p * sum_t / n;
    count += n;
  }
  if (pp < kPlain * kPlain * count || tt < kPlain * kPlain * count) return 0;
  return pt / std::sqrt(pp * tt);
}

}  // namespace

struct MarkTemplate::Pixels {
  cv::Mat rgb;    // [height, width, 3], -0.5 to 0.5
  cv::Mat alpha;  // [height, width], 0 to 1

  Cut at(cv::Size size) const { return cut_of(resized(rgb, size), resized(alpha, size)); }
};

MarkTemplate::MarkTemplate(const DecodedPicture& decoded, const std::string& name)
    : pixels_(std::make_unique<Pixels>()) {
  if (!decoded.had_alpha)
    fail(name, " has no transparent pixels; want a mark on transparent ground");
  pixels_->rgb = as_floats(decoded.image);
  cv::extractChannel(as_floats(decoded.alpha), pixels_->alpha, 0);
  pixels_->alpha += 0.5;
  const Cut cut = pixels_->at(pixels_->rgb.size());
  if (cut.place.empty()) fail(name, " has no opaque pixels; want a mark on transparent ground");
  if (coefficient(cut.pixels, cut) < 0.5)
    fail(name, " is of one colour where it is opaque; want a mark with a pattern");
}

MarkTemplate::~MarkTemplate() = default;

MarkMatch MarkTemplate::best_match(const Image& picture, const std::string& name) const {
  const double width = picture.width;
  const double height = picture.height;
  const double wanted = static_cast<double>(pixels_->rgb.cols) / pixels_->rgb.rows;
  if (std::abs(width / height / wanted - 1) > kProportions) {
    fail(name, " is ", picture.width, "x", picture.height,
         " pixels; want the proportions of the template, ", pixels_->rgb.cols, "x",
         pixels_->rgb.rows);
  }
  const int reach = std::max(1, static_cast<int>(std::lround(kReach * std::min(width, height))));
  // A frame that moves or grows leaves the picture.
  const int border = reach + static_cast<int>(std::ceil(0.06 * std::max(width, height))) + 1;
  cv::Mat padded;
  cv::copyMakeBorder(as_floats(picture), padded, border, border, border, border,
                     cv::BORDER_REPLICATE);
  MarkMatch best;
  best.score = -1;
  for (const double scale : kScales) {
    const Cut cut = pixels_->at({static_cast<int>(std::lround(scale * width)),
                                 static_cast<int>(std::lround(scale * height))});
    if (cut.place.empty()) continue;
    // The mark's middle stays where it is.
    const auto place = [&](int left, int length, int template_length, double side) {
      const double middle = (left + length / 2.0) / template_length * side;
      return static_cast<int>(std::lround(middle - length / 2.0));
    };
    const int left = place(cut.place.x, cut.place.width, cut.template_size.width, width);
    const int top = place(cut.place.y, cut.place.height, cut.template_size.height, height);
    const cv::Rect window = cv::Rect(border + left - reach, border + top - reach,
                                     cut.place.width + 2 * reach, cut.place.height + 2 * reach) &
                            cv::Rect(0, 0, padded.cols, padded.rows);
    if (window.width < cut.place.width || window.height < cut.place.height) continue;
    cv::Mat scores;
    cv::matchTemplate(padded(window), cut.pixels, scores, cv::TM_CCOEFF_NORMED, cut.mask);
    // Plain ground gives 0/0.
    scores.setTo(-1, (scores != scores) | (scores > 1.001) | (scores < -1.001));
    cv::Point at;
    cv::minMaxLoc(scores, nullptr, nullptr, nullptr, &at);
    const cv::Rect found(window.x + at.x, window.y + at.y, cut.place.width, cut.place.height);
    const double score = coefficient(padded(found), cut);
    if (score > best.score) {
      best = {score, scale, found.x - border - left, found.y - border - top};
    }
  }
  return best;
}

}  // namespace dorabooth
