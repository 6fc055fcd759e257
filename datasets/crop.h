// From a decoded picture to the training size: resized to cover it, cropped, perhaps mirrored, with
// SDXL's micro-conditioning. Sizes and centre crops round as torchvision's Resize and CenterCrop
// do. Where a rectangle was drawn (crop_rectangle.h), the largest centred part of it with the
// target's proportions is resized to the target instead.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "datasets/crop_rectangle.h"
#include "src/base/image.h"
#include "src/base/random_stream.h"
#include "src/imagefile/image_file.h"

namespace dorabooth {

// "1024" is a square, "832x1216" width x height.
PictureSize parse_resolution(std::string_view text);

// The filter that enlarges. A picture that shrinks is always averaged by area: OpenCV's other
// filters look at the nearest pixels only and would alias.
enum class Interpolation { kBilinear, kBicubic, kLanczos, kArea };
Interpolation interpolation_from_name(std::string_view name);  // bilinear, bicubic, lanczos, area

// SDXL's time_ids, in their order.
struct MicroConditioning {
  int original_height = 0;
  int original_width = 0;
  int crop_top = 0;
  int crop_left = 0;
  int target_height = 0;
  int target_width = 0;
};

// Which part of a picture is used: everything that decides its pixels but the picture itself.
struct CropPlan {
  PictureSize original;  // upright, as read_picture gives it
  PictureSize resized;   // covers the target
  PictureSize target;
  int top = 0;  // of the target in the resized picture, before any mirroring
  int left = 0;
  bool flipped = false;  // mirrored left to right
  Interpolation interpolation = Interpolation::kLanczos;
  // The part of the original that becomes the target, where a rectangle was drawn. `resized`, `top`
  // and `left` then say where it would lie in the whole picture at the same scale.
  std::optional<CropRectangle> source;
};

// Throws if the resized picture would be larger than a picture may be (one that is very narrow).
CropPlan centre_crop(PictureSize original, PictureSize target, bool flipped,
                     Interpolation interpolation);
// The place is a pure function of (stream, step, index).
CropPlan random_crop(PictureSize original, PictureSize target, bool flipped,
                     Interpolation interpolation, const RandomStream& stream, uint64_t step,
                     uint32_t index);

// From a rectangle of the original; throws if it does not lie inside.
CropPlan drawn_crop(PictureSize original, PictureSize target, bool flipped,
                    Interpolation interpolation, const CropRectangle& drawn);

// The part of the original that the plan uses, to the nearest pixel.
CropRectangle used_part(const CropPlan& plan);
// The share of the original's area that it does not use, 0 to 1; more than kHeavyLoss is worth a
// warning.
double lost_area(const CropPlan& plan);
inline constexpr double kHeavyLoss = 0.2;

// `image` has the plan's original size.
Image apply_crop(const Image& image, const CropPlan& plan);

// crop_left is counted in the picture as it is trained on: mirrored, from what was the right edge.
MicroConditioning micro_conditioning(const CropPlan& plan);

// A name for a cached result: equal exactly if file (by its SHA-256), plan and background are.
std::string picture_key(std::string_view file_sha256, const CropPlan& plan, Rgb background);

}  // namespace dorabooth
