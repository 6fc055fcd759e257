// Pictures are decoded, cropped and encoded one at a time: memory holds one picture beside the
// latents. A picture whose crops are all in the cache is decoded only for its mask.
#include "datasets/example_set.h"

#include <ATen/ATen.h>

#include <map>

#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/imagefile/image_file.h"

namespace dorabooth {

namespace {

at::Tensor time_ids_of(const MicroConditioning& c) {
  return at::tensor({static_cast<float>(c.original_height), static_cast<float>(c.original_width),
                     static_cast<float>(c.crop_top), static_cast<float>(c.crop_left),
                     static_cast<float>(c.target_height), static_cast<float>(c.target_width)});
}

// One picture's crops; decodes when a pixel is needed.
class PictureEncoder {
 public:
  PictureEncoder(const ExampleRequest& request, const CaptionedPicture& picture,
                 const AutoencoderKl& vae, const LatentCache* cache)
      : request_(request),
        picture_(picture),
        vae_(vae),
        cache_(cache),
        original_(probe_size(picture.path)),
        sha256_(sha256_of_file(picture.path)) {}

  ExampleVariation encode(uint32_t index) {
    const CropPlan plan = example_plan(request_, original_, picture_.crop, index);
    return {posterior(plan), time_ids_of(micro_conditioning(plan)), mask(plan)};
  }

  PictureSize size() const { return example_size(request_, original_, picture_.crop); }

 private:
  const DecodedPicture& decoded() {
    if (decoded_.image.empty()) decoded_ = read_picture(picture_.path, request_.background);
    return decoded_;
  }

  std::shared_ptr<const StoredPosterior> posterior(const CropPlan& plan) {
    const std::string key = picture_key(sha256_, plan, request_.background);
    auto& known = posteriors_[key];
    if (known) return known;
    std::optional<StoredPosterior> cached = cache_ ? cache_->find(cached_key(key)) : std::nullopt;
    if (!cached) {
      const at::Device device = vae_.parameters().front().device();
      const Posterior made =
          vae_.encode(image_tensor(apply_crop(decoded().image, plan)).to(device));
      const LatentPosterior posterior{made.mean[0].to(at::kCPU, at::kFloat),
                                      made.std[0].to(at::kCPU, at::kFloat)};
      cached = cache_ ? cache_->put(cached_key(key), posterior) : StoredPosterior(posterior);
    }
    known = std::make_shared<const StoredPosterior>(*cached);
    return known;
  }

  // A VAE that overflowed fp16 goes on in fp32 (its digest is of how it began).
  std::string cached_key(const std::string& key) const {
    return concat(key, " ", at::toString(vae_.dtype()));
  }

  at::Tensor mask(const CropPlan& plan) {
    const int64_t downscale = vae_.config().downscale();
    const double unmasked = request_.masks.unmasked_weight;
    if (picture_.mask) {
      if (mask_.empty()) mask_ = read_picture(*picture_.mask).image;
      try {
        return loss_mask(mask_, plan, downscale, unmasked);
      } catch (const Error& error) {
        fail(picture_.mask->string(), ": ", error.what());
      }
    }
    if (!request_.masks.alpha_mask || !decoded().had_alpha) return {};
    return loss_mask(decoded().alpha, plan, downscale, unmasked);
  }

  const ExampleRequest& request_;
  const CaptionedPicture& picture_;
  const AutoencoderKl& vae_;
  const LatentCache* cache_;
  PictureSize original_;
  std::string sha256_;
  DecodedPicture decoded_;
  Image mask_;
  std::map<std::string, std::shared_ptr<const StoredPosterior>> posteriors_;
};

}  // namespace

std::vector<std::string> ExampleSet::captions() const {
  std::vector<std::string> result;
  for (const Example& example : examples) result.push_back(example.caption);
  return result;
}

at::Tensor image_tensor(const Image& image) {
  const at::Tensor bytes = at::from_blob(const_cast<uint8_t*>(image.rgb_hwc.data()),
                                         {1, image.height, image.width, 3}, at::kByte);
  return bytes.permute({0, 3, 1, 2}).to(at::kFloat).div_(127.5).sub_(1.0).contiguous();
}

ExampleSet encode_examples(const ExampleRequest& request, const AutoencoderKl& vae,
                           const LatentCache* cache, const std::function<void(int64_t)>& encoded,
                           std::stop_token stop) {
  at::NoGradGuard no_grad;
  ExampleSet set;
  uint32_t index = 0;
  for (const CaptionedPicture& picture : request.pictures) {
    PictureEncoder encoder(request, picture, vae, cache);
    for (int64_t repeat = 0; repeat < picture.repeats; ++repeat) {
      if (stop.stop_requested()) return {};
      Example example{picture.caption, picture.alternatives, picture.class_prompt,
                      picture.loss_weight, encoder.size()};
      for (int64_t variation = 0; variation < request.variations; ++variation) {
        example.variations.push_back(encoder.encode(index++));
      }
      set.examples.push_back(std::move(example));
      encoded(set.size());
    }
  }
  return set;
}

}  // namespace dorabooth
