// A mask goes the picture's way: resized, cropped, mirrored, then averaged over each latent.
#include "datasets/loss_mask.h"

#include <ATen/ATen.h>

#include <cmath>

#include "src/base/error.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

// The same picture at the size that the plan was made for.
Image at_size(const Image& mask, PictureSize size) {
  if (mask.width == size.width && mask.height == size.height) return mask;
  CropPlan plan;
  plan.original = {mask.width, mask.height};
  plan.target = size;
  plan.resized = size;
  plan.interpolation = Interpolation::kBilinear;
  return apply_crop(mask, plan);
}

}  // namespace

std::optional<fs::path> mask_file_of(const fs::path& picture,
                                     const std::optional<std::string>& folder) {
  if (!folder) {
    const fs::path beside = picture.parent_path() / (picture.stem().string() + "-masklabel.png");
    if (fs::exists(beside)) return beside;
    return std::nullopt;
  }
  if (!fs::is_directory(*folder)) fail("mask_data_dir: no such folder: ", *folder);
  const fs::path same_name = fs::path(*folder) / picture.filename();
  for (const char* extension : {"", ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}) {
    fs::path path = same_name;
    if (*extension != 0) path.replace_extension(extension);
    if (fs::exists(path)) return path;
  }
  fail("mask_data_dir ", *folder, " has no mask for ", picture.string(), ", such as ",
       picture.stem().string(), ".png");
}

at::Tensor loss_mask(const Image& mask, const CropPlan& plan, int64_t downscale,
                     double unmasked_weight) {
  const double own = static_cast<double>(mask.width) / mask.height;
  const double wanted = static_cast<double>(plan.original.width) / plan.original.height;
  if (std::abs(own - wanted) > 0.02 * wanted) {
    fail("a mask of ", mask.width, "x", mask.height, " pixels for a picture of ",
         plan.original.width, "x", plan.original.height, "; want the same proportions");
  }
  CropPlan of_mask = plan;
  of_mask.interpolation = Interpolation::kBilinear;
  const Image cropped = apply_crop(at_size(mask, plan.original), of_mask);
  at::Tensor values = at::empty({1, 1, cropped.height, cropped.width}, at::kFloat);
  float* out = values.data_ptr<float>();
  for (size_t i = 0; i < cropped.rgb_hwc.size() / 3; ++i) {
    out[i] = static_cast<float>(cropped.rgb_hwc[3 * i]) / 255.0f;
  }
  const at::Tensor mean = at::avg_pool2d(values, {downscale, downscale});
  return (mean * (1 - unmasked_weight) + unmasked_weight)[0].contiguous();
}

}  // namespace dorabooth
