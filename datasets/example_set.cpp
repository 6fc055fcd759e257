// Pictures are decoded, cropped and encoded one at a time: memory holds one picture beside the
// latents.
#include "datasets/example_set.h"

#include <ATen/ATen.h>

#include "src/imagefile/image_file.h"

namespace dorabooth {

namespace {

at::Tensor time_ids_of(const MicroConditioning& c) {
  return at::tensor({static_cast<float>(c.original_height), static_cast<float>(c.original_width),
                     static_cast<float>(c.crop_top), static_cast<float>(c.crop_left),
                     static_cast<float>(c.target_height), static_cast<float>(c.target_width)});
}

}  // namespace

at::Tensor image_tensor(const Image& image) {
  const at::Tensor bytes = at::from_blob(const_cast<uint8_t*>(image.rgb_hwc.data()),
                                         {1, image.height, image.width, 3}, at::kByte);
  return bytes.permute({0, 3, 1, 2}).to(at::kFloat).div_(127.5).sub_(1.0).contiguous();
}

ExampleSet encode_examples(const ExampleRequest& request, const AutoencoderKl& vae,
                           const std::function<void(int64_t)>& encoded, std::stop_token stop) {
  at::NoGradGuard no_grad;
  const at::Device device = vae.parameters().front().device();
  ExampleSet set;
  std::vector<at::Tensor> means;
  std::vector<at::Tensor> stds;
  std::vector<at::Tensor> time_ids;
  uint32_t index = 0;
  for (const CaptionedPicture& picture : request.pictures) {
    const DecodedPicture decoded = read_picture(picture.path);
    const PictureSize original{decoded.image.width, decoded.image.height};
    for (int64_t repeat = 0; repeat < request.repeats; ++repeat, ++index) {
      if (stop.stop_requested()) return {};
      const CropPlan plan = example_plan(request, original, picture.crop, index);
      const Posterior posterior =
          vae.encode(image_tensor(apply_crop(decoded.image, plan)).to(device));
      means.push_back(posterior.mean.to(at::kCPU, at::kFloat));
      stds.push_back(posterior.std.to(at::kCPU, at::kFloat));
      time_ids.push_back(time_ids_of(micro_conditioning(plan)));
      set.captions.push_back(picture.caption);
      set.alternatives.push_back(picture.alternatives);
      encoded(static_cast<int64_t>(index) + 1);
    }
  }
  set.mean = at::cat(means);
  set.std = at::cat(stds);
  set.time_ids = at::stack(time_ids);
  return set;
}

}  // namespace dorabooth
