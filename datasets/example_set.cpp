// Pictures are decoded, cropped and encoded one at a time, small ones of one size a few together:
// memory holds that many beside the latents. A picture whose crops are all in the cache is decoded
// only for its mask.
#include "datasets/example_set.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <deque>
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
  // `first_index` is the picture's first in example_plan()'s order.
  PictureEncoder(const ExampleRequest& request, const CaptionedPicture& picture,
                 const LatentCache* cache, uint32_t first_index)
      : request_(request),
        picture_(picture),
        cache_(cache),
        original_(probe_size(picture.path)),
        sha256_(sha256_of_file(picture.path)) {
    for (int64_t i = 0; i < picture.repeats * request.variations; ++i) {
      plans_.push_back(
          example_plan(request_, original_, picture_.crop, first_index + static_cast<uint32_t>(i)));
      const CropPlan& plan = plans_.back();
      by_key_.emplace(picture_key(sha256_, plan, request_.background), Known{plan, {}});
    }
  }

  PictureSize size() const { return example_size(request_, original_, picture_.crop); }

  // Crops whose posteriors are neither known nor in the cache.
  std::vector<std::string> missing(at::ScalarType vae_dtype) {
    std::vector<std::string> keys;
    for (auto& [key, known] : by_key_) {
      if (known.posterior) continue;
      const auto cached = cache_ ? cache_->find(cached_key(key, vae_dtype)) : std::nullopt;
      if (cached) {
        known.posterior = std::make_shared<const StoredPosterior>(*cached);
      } else {
        keys.push_back(key);
      }
    }
    return keys;
  }

  at::Tensor pixels(const std::string& key) {
    return image_tensor(apply_crop(decoded().image, by_key_.at(key).plan));
  }

  void take(const std::string& key, const LatentPosterior& posterior, at::ScalarType vae_dtype) {
    by_key_.at(key).posterior = std::make_shared<const StoredPosterior>(
        cache_ ? cache_->put(cached_key(key, vae_dtype), posterior) : StoredPosterior(posterior));
  }

  std::vector<Example> examples(int64_t vae_downscale) {
    std::vector<Example> result;
    size_t next = 0;
    for (int64_t repeat = 0; repeat < picture_.repeats; ++repeat) {
      Example example{picture_.caption, picture_.alternatives, picture_.class_prompt,
                      picture_.loss_weight, size()};
      for (int64_t variation = 0; variation < request_.variations; ++variation) {
        const CropPlan& plan = plans_[next++];
        const std::string key = picture_key(sha256_, plan, request_.background);
        example.variations.push_back({by_key_.at(key).posterior,
                                      time_ids_of(micro_conditioning(plan)),
                                      mask(plan, vae_downscale)});
      }
      result.push_back(std::move(example));
    }
    return result;
  }

 private:
  struct Known {
    CropPlan plan;
    std::shared_ptr<const StoredPosterior> posterior;
  };

  const DecodedPicture& decoded() {
    if (decoded_.image.empty()) decoded_ = read_picture(picture_.path, request_.background);
    return decoded_;
  }

  // A VAE that overflowed fp16 goes on in fp32 (its digest is of how it began).
  static std::string cached_key(const std::string& key, at::ScalarType vae_dtype) {
    return concat(key, " ", at::toString(vae_dtype));
  }

  at::Tensor mask(const CropPlan& plan, int64_t downscale) {
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
  const LatentCache* cache_;
  PictureSize original_;
  std::string sha256_;
  std::vector<CropPlan> plans_;  // of every variation of every repeat
  std::map<std::string, Known> by_key_;
  DecodedPicture decoded_;
  Image mask_;
};

// Encodes what is missing of some pictures of one size.
class BatchEncoder {
 public:
  BatchEncoder(const AutoencoderKl& vae, int64_t batch) : vae_(vae), batch_(batch) {}

  void add(PictureEncoder& picture) {
    for (const std::string& key : picture.missing(vae_.dtype())) {
      wanted_.push_back({&picture, key});
      if (static_cast<int64_t>(wanted_.size()) >= batch_) encode();
    }
  }

  void encode() {
    if (wanted_.empty()) return;
    std::vector<at::Tensor> pixels;
    for (const Wanted& one : wanted_) pixels.push_back(one.picture->pixels(one.key));
    const at::Device device = vae_.parameters().front().device();
    const Posterior made = vae_.encode(at::cat(pixels).to(device));
    for (size_t i = 0; i < wanted_.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      const auto own = [&](const at::Tensor& values) {
        return values[row].to(at::kCPU, at::kFloat).clone();
      };
      wanted_[i].picture->take(wanted_[i].key, {own(made.mean), own(made.std)}, vae_.dtype());
    }
    wanted_.clear();
  }

 private:
  struct Wanted {
    PictureEncoder* picture;
    std::string key;
  };
  const AutoencoderKl& vae_;
  int64_t batch_;
  std::vector<Wanted> wanted_;
};

int64_t pixels_of(PictureSize size) { return int64_t{size.width} * size.height; }

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
  for (size_t next = 0; next < request.pictures.size();) {
    if (stop.stop_requested()) return {};
    std::deque<PictureEncoder> group;
    int64_t together = 1;
    while (next < request.pictures.size() && static_cast<int64_t>(group.size()) < together) {
      const CaptionedPicture& picture = request.pictures[next];
      PictureEncoder encoder(request, picture, cache, index);
      if (!group.empty() && encoder.size() != group.front().size()) break;
      together = std::max<int64_t>(1, kPixelsEncodedTogether / pixels_of(encoder.size()));
      group.push_back(std::move(encoder));
      index += static_cast<uint32_t>(picture.repeats * request.variations);
      ++next;
    }
    BatchEncoder batch(vae, together);
    for (PictureEncoder& picture : group) batch.add(picture);
    batch.encode();
    for (PictureEncoder& picture : group) {
      for (Example& example : picture.examples(vae.config().downscale())) {
        set.examples.push_back(std::move(example));
        encoded(set.size());
      }
    }
  }
  return set;
}

}  // namespace dorabooth
