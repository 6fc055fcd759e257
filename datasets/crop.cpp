// Resizing through OpenCV on one thread, cropping and mirroring by rows.
#include "datasets/crop.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "src/base/error.h"
#include "src/base/hash.h"

namespace dorabooth {

namespace {

int parse_side(std::string_view text, std::string_view whole) {
  int side = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), side);
  if (error != std::errc() || end != text.data() + text.size() || side < 1 ||
      side > kMaxPictureSide) {
    throw UsageError(concat("resolution '", whole,
                            "': want a side like 1024 or width x height like 832x1216, "
                            "each 1 to ",
                            kMaxPictureSide));
  }
  return side;
}

// The shorter side, relative to the target, becomes the target's; the other is rounded down.
PictureSize covering_size(PictureSize original, PictureSize target) {
  const int64_t w = original.width;
  const int64_t h = original.height;
  int64_t width = target.width;
  int64_t height = target.height;
  if (target.width * h >= target.height * w) {
    height = target.width * h / w;
  } else {
    width = target.height * w / h;
  }
  if (width * height > kMaxPicturePixels) {
    fail("a picture of ", w, "x", h, " pixels would be resized to ", width, "x", height,
         " to cover ", target.width, "x", target.height, "; it is too narrow");
  }
  return {static_cast<int>(width), static_cast<int>(height)};
}

CropPlan plan_without_place(PictureSize original, PictureSize target, bool flipped,
                            Interpolation interpolation) {
  if (original.width < 1 || original.height < 1 || target.width < 1 || target.height < 1) {
    fail("cannot crop ", original.width, "x", original.height, " pixels to ", target.width, "x",
         target.height);
  }
  CropPlan plan;
  plan.original = original;
  plan.resized = covering_size(original, target);
  plan.target = target;
  plan.flipped = flipped;
  plan.interpolation = interpolation;
  return plan;
}

// Python's round(): halves go to the even number, which is the default rounding mode.
int centred(int whole, int part) { return static_cast<int>(std::nearbyint((whole - part) / 2.0)); }

// a * b / c to the nearest integer, halves up.
int scaled(int64_t a, int64_t b, int64_t c) { return static_cast<int>((2 * a * b + c) / (2 * c)); }

// The largest centred part with the target's proportions, rounded down to whole pixels.
CropRectangle fitting_part(CropRectangle part, PictureSize target) {
  const int64_t width = std::max<int64_t>(1, part.height * target.width / target.height);
  const int64_t height = std::max<int64_t>(1, part.width * target.height / target.width);
  if (width < part.width) {
    part.left += (part.width - width) / 2;
    part.width = width;
  } else if (height < part.height) {
    part.top += (part.height - height) / 2;
    part.height = height;
  }
  return part;
}

// `from` and `to` are the widths before and after.
int opencv_filter(const CropPlan& plan, int from, int to) {
  if (to < from) return cv::INTER_AREA;
  switch (plan.interpolation) {
    case Interpolation::kBilinear:
      return cv::INTER_LINEAR;
    case Interpolation::kBicubic:
      return cv::INTER_CUBIC;
    case Interpolation::kLanczos:
      return cv::INTER_LANCZOS4;
    case Interpolation::kArea:
      return cv::INTER_AREA;
  }
  fail("unknown interpolation ", static_cast<int>(plan.interpolation));
}

cv::Mat resized_mat(const Image& image, const CropPlan& plan) {
  // The matrix only reads the pixels; OpenCV has no const view.
  cv::Mat source(image.height, image.width, CV_8UC3, const_cast<uint8_t*>(image.rgb_hwc.data()));
  if (plan.source) {
    source = source(
        cv::Rect(static_cast<int>(plan.source->left), static_cast<int>(plan.source->top),
                 static_cast<int>(plan.source->width), static_cast<int>(plan.source->height)));
  }
  const PictureSize size = plan.source ? plan.target : plan.resized;
  if (size.width == source.cols && size.height == source.rows) return source;
  cv::setNumThreads(1);  // one pool of threads in the program, LibTorch's
  cv::Mat resized;
  cv::resize(source, resized, cv::Size(size.width, size.height), 0, 0,
             opencv_filter(plan, source.cols, size.width));
  return resized;
}

}  // namespace

PictureSize parse_resolution(std::string_view text) {
  const size_t cross = text.find('x');
  if (cross == std::string_view::npos) {
    const int side = parse_side(text, text);
    return {side, side};
  }
  return {parse_side(text.substr(0, cross), text), parse_side(text.substr(cross + 1), text)};
}

Interpolation interpolation_from_name(std::string_view name) {
  if (name == "bilinear") return Interpolation::kBilinear;
  if (name == "bicubic") return Interpolation::kBicubic;
  if (name == "lanczos") return Interpolation::kLanczos;
  if (name == "area") return Interpolation::kArea;
  throw UsageError(concat("unknown interpolation '", name, "'",
                          did_you_mean(name, {"bilinear", "bicubic", "lanczos", "area"})));
}

CropPlan centre_crop(PictureSize original, PictureSize target, bool flipped,
                     Interpolation interpolation) {
  CropPlan plan = plan_without_place(original, target, flipped, interpolation);
  plan.top = centred(plan.resized.height, target.height);
  plan.left = centred(plan.resized.width, target.width);
  return plan;
}

CropPlan random_crop(PictureSize original, PictureSize target, bool flipped,
                     Interpolation interpolation, const RandomStream& stream, uint64_t step,
                     uint32_t index) {
  CropPlan plan = plan_without_place(original, target, flipped, interpolation);
  const auto places = [](int whole, int part) { return static_cast<uint32_t>(whole - part + 1); };
  plan.top =
      static_cast<int>(stream.integer(step, 2 * index, places(plan.resized.height, target.height)));
  plan.left = static_cast<int>(
      stream.integer(step, 2 * index + 1, places(plan.resized.width, target.width)));
  return plan;
}

CropPlan drawn_crop(PictureSize original, PictureSize target, bool flipped,
                    Interpolation interpolation, const CropRectangle& drawn) {
  check_crop_rectangle(drawn, original, "crop");
  CropPlan plan;
  plan.original = original;
  plan.target = target;
  plan.flipped = flipped;
  plan.interpolation = interpolation;
  const CropRectangle part = fitting_part(drawn, target);
  plan.source = part;
  plan.resized = {scaled(original.width, target.width, part.width),
                  scaled(original.height, target.height, part.height)};
  plan.left = scaled(part.left, target.width, part.width);
  plan.top = scaled(part.top, target.height, part.height);
  return plan;
}

CropRectangle used_part(const CropPlan& plan) {
  if (plan.source) return *plan.source;
  const auto x = [&](int at) { return scaled(at, plan.original.width, plan.resized.width); };
  const auto y = [&](int at) { return scaled(at, plan.original.height, plan.resized.height); };
  CropRectangle part{x(plan.left), y(plan.top), 0, 0};
  part.width = x(plan.left + plan.target.width) - part.left;
  part.height = y(plan.top + plan.target.height) - part.top;
  return part;
}

double lost_area(const CropPlan& plan) {
  const auto area = [](double width, double height) { return width * height; };
  if (plan.source) {
    return 1.0 -
           area(static_cast<double>(plan.source->width), static_cast<double>(plan.source->height)) /
               area(plan.original.width, plan.original.height);
  }
  return 1.0 - area(plan.target.width, plan.target.height) /
                   area(plan.resized.width, plan.resized.height);
}

Image apply_crop(const Image& image, const CropPlan& plan) {
  if (image.width != plan.original.width || image.height != plan.original.height) {
    fail("a crop planned for ", plan.original.width, "x", plan.original.height, " pixels got ",
         image.width, "x", image.height);
  }
  const cv::Mat resized = resized_mat(image, plan);
  const int top = plan.source ? 0 : plan.top;
  const int left = plan.source ? 0 : plan.left;
  Image cropped(plan.target.width, plan.target.height);
  for (int y = 0; y < cropped.height; ++y) {
    const uint8_t* source = resized.ptr<uint8_t>(top + y) + 3 * left;
    uint8_t* target = cropped.pixel(0, y);
    for (int x = 0; x < cropped.width; ++x) {
      const int from = plan.flipped ? cropped.width - 1 - x : x;
      std::copy_n(source + 3 * from, 3, target + 3 * x);
    }
  }
  return cropped;
}

MicroConditioning micro_conditioning(const CropPlan& plan) {
  const int left = plan.flipped ? plan.resized.width - plan.left - plan.target.width : plan.left;
  return {plan.original.height, plan.original.width, plan.top, left,
          plan.target.height,   plan.target.width};
}

std::string picture_key(std::string_view file_sha256, const CropPlan& plan, Rgb background) {
  Sha256 hash;
  hash.update(concat("picture 1 ", file_sha256, " ", plan.original.width, " ", plan.original.height,
                     " ", plan.resized.width, " ", plan.resized.height, " ", plan.target.width, " ",
                     plan.target.height, " ", plan.top, " ", plan.left, " ", plan.flipped ? 1 : 0,
                     " ", static_cast<int>(plan.interpolation), " ", int{background.red}, " ",
                     int{background.green}, " ", int{background.blue}));
  if (plan.source) {
    hash.update(concat(" source ", plan.source->left, " ", plan.source->top, " ",
                       plan.source->width, " ", plan.source->height));
  }
  return hash.hex();
}

}  // namespace dorabooth
