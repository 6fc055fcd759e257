// Pictures lie in memory as bytes; a row of a batch is a picture, or a crop of it, drawn by (seed,
// step, row).
#include "pipelines/parts/pretrain_vae.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <atomic>

#include "datasets/crop.h"
#include "datasets/example_set.h"
#include "pipelines/parts/latent_whitening.h"
#include "pipelines/parts/pretrain_files.h"
#include "pipelines/parts/pretrain_run.h"
#include "pipelines/parts/step_meter.h"
#include "pipelines/parts/training_pictures.h"
#include "src/base/error.h"
#include "src/base/random_stream.h"
#include "src/device/parallel_for.h"
#include "src/model/checkpoint.h"
#include "src/model/initial_weights.h"
#include "src/model/load.h"
#include "src/objective/autoencoder_loss.h"
#include "src/vae/autoencoder_kl.h"

namespace dorabooth {

namespace {

constexpr int64_t kWhiteningPictures = 4096;  // at most, spread over all

// Each picture as often as it occurs in an epoch; those that occur more often share their pixels.
struct PicturePool {
  std::vector<Image> pictures;
  std::vector<int64_t> entries;  // indices into pictures
};

PicturePool read_pool(const PretrainConfig& config, const ImageFolder& folder, Progress& progress,
                      const std::stop_token& stop) {
  const ExampleRequest request =
      example_request(config, static_cast<uint64_t>(config.seed), "instance", folder.pictures);
  PicturePool pool;
  const auto count = static_cast<int64_t>(request.pictures.size());
  pool.pictures.resize(request.pictures.size());
  StepMeter meter(progress, "read pictures", count);
  constexpr int64_t kTogether = 256;
  for (int64_t first = 0; first < count && !stop.stop_requested(); first += kTogether) {
    const int64_t last = std::min(count, first + kTogether);
    parallel_for(first, last, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const CaptionedPicture& picture = request.pictures[static_cast<size_t>(i)];
        const Image image = read_picture(picture.path, request.background).image;
        const CropPlan plan = example_plan(request, {image.width, image.height}, picture.crop,
                                           static_cast<uint32_t>(i));
        pool.pictures[static_cast<size_t>(i)] = apply_crop(image, plan);
      }
    });
    for (int64_t i = first; i < last; ++i) meter.step();
  }
  for (int64_t i = 0; i < count; ++i) {
    const int64_t repeats = request.pictures[static_cast<size_t>(i)].repeats;
    pool.entries.insert(pool.entries.end(), static_cast<size_t>(repeats), i);
  }
  return pool;
}

AutoencoderScales scales_of(const PretrainConfig& config) {
  return {config.l1_scale,     config.l2_scale,     config.log_l2_scale, config.gradient_scale,
          config.pooled_scale, config.chroma_scale, config.kl_scale,     config.covariance_scale};
}

Image part_of(const Image& image, int left, int top, int side) {
  Image part(side, side);
  for (int y = 0; y < side; ++y) {
    const uint8_t* row = image.pixel(left, top + y);
    std::copy(row, row + 3 * static_cast<ptrdiff_t>(side), part.pixel(0, y));
  }
  return part;
}

class VaeStage : public PretrainStage {
 public:
  VaeStage(const PretrainConfig& config, const PicturePool& pool,
           std::vector<std::shared_ptr<AutoencoderKl>> models)
      : config_(config),
        pool_(pool),
        models_(std::move(models)),
        order_(static_cast<uint64_t>(config.seed), "vae/picture"),
        place_(static_cast<uint64_t>(config.seed), "vae/crop"),
        noise_(static_cast<uint64_t>(config.seed), "vae/noise") {}

  std::vector<std::pair<std::string, double>> backward(size_t replica, int64_t step) override {
    const RowRange rows = rows_of_replica(config_.train_batch_size, models_.size(), replica);
    const double share =
        static_cast<double>(rows.count) / static_cast<double>(config_.train_batch_size);
    const AutoencoderKl& vae = *models_[replica];
    const at::Tensor images = batch(step, rows);
    const Posterior posterior = vae.encode(images);
    const at::Tensor mean = posterior.mean.to(at::kFloat);
    const at::Tensor noise = draw_noise(step, rows, mean.sizes());
    const at::Tensor latents = config_.latent_noise ? mean + *config_.latent_noise * noise
                                                    : mean + posterior.std.to(at::kFloat) * noise;
    const at::Tensor made = vae.decode(latents).to(at::kFloat);
    const AutoencoderScales scales = scales_of(config_);
    const at::Tensor error = reconstruction_loss(scales, made, images);
    const at::Tensor of_latents = latent_loss(scales, mean, posterior.logvar.to(at::kFloat));
    const at::Tensor loss = share * (error + of_latents);
    loss.backward();
    const double db = psnr(made.detach(), images).mean().item<double>();
    return {{"loss", loss.item<double>()},
            {"loss_latents", share * of_latents.item<double>()},
            {"psnr", share * db}};
  }

 private:
  at::Tensor batch(int64_t step, const RowRange& rows) const {
    std::vector<at::Tensor> images;
    for (int64_t row = rows.first; row < rows.first + rows.count; ++row) {
      const auto index = static_cast<uint32_t>(row);
      const auto at = static_cast<uint64_t>(step);
      const uint32_t entry = order_.integer(at, index, static_cast<uint32_t>(pool_.entries.size()));
      const Image& whole = pool_.pictures[static_cast<size_t>(pool_.entries[entry])];
      images.push_back(image_tensor(crop(whole, at, index)));
    }
    return at::cat(images).contiguous(at::MemoryFormat::ChannelsLast);
  }

  Image crop(const Image& whole, uint64_t step, uint32_t row) const {
    const auto side = static_cast<int>(config_.crop_size.value_or(0));
    if (side <= 0 || (side >= whole.width && side >= whole.height)) return whole;
    const auto left = place_.integer(step, 2 * row, static_cast<uint32_t>(whole.width - side + 1));
    const auto top =
        place_.integer(step, 2 * row + 1, static_cast<uint32_t>(whole.height - side + 1));
    return part_of(whole, static_cast<int>(left), static_cast<int>(top), side);
  }

  at::Tensor draw_noise(int64_t step, const RowRange& rows, at::IntArrayRef shape) const {
    at::Tensor noise = at::empty(shape, at::kFloat);
    const auto size = static_cast<size_t>(noise.numel() / shape[0]);
    float* out = noise.mutable_data_ptr<float>();
    for (int64_t i = 0; i < rows.count; ++i) {
      noise_.normal(static_cast<uint64_t>(step), static_cast<uint32_t>(rows.first + i),
                    {out + static_cast<size_t>(i) * size, size});
    }
    return noise;
  }

  const PretrainConfig& config_;
  const PicturePool& pool_;
  std::vector<std::shared_ptr<AutoencoderKl>> models_;
  RandomStream order_;
  RandomStream place_;
  RandomStream noise_;
};

void start_weights(const PretrainConfig& config, AutoencoderKl& vae) {
  if (config.pretrained_model_name_or_path) {
    const Checkpoint start = Checkpoint::open_vae(*config.pretrained_model_name_or_path);
    load_weights(vae, start.weights(Component::kVae),
                 {.dtype = at::kFloat, .device = at::kCPU, .in_place = false});
  } else {
    initialise(vae, static_cast<uint64_t>(config.seed), "vae");
  }
}

std::map<std::string, at::Tensor> finished_weights(const PretrainConfig& config,
                                                   const PicturePool& pool,
                                                   const AutoencoderKl& vae,
                                                   WeightReplicas& weights, Progress& progress) {
  std::map<std::string, at::Tensor> result = weights.weights(/*average=*/true);
  if (!config.whiten_latents) return result;
  weights.use_average();
  const auto count = static_cast<int64_t>(pool.pictures.size());
  const int64_t used = std::min(count, kWhiteningPictures);
  LatentMoments moments(vae.config().latent_channels);
  StepMeter meter(progress, "measure latents", used);
  const at::NoGradGuard no_grad;
  for (int64_t i = 0; i < used; ++i) {
    const Image& image = pool.pictures[static_cast<size_t>(i * count / used)];
    moments.add(vae.encode(image_tensor(image)).mean);
    meter.step();
  }
  fold_whitening(moments, config.posterior_std, "vae.", &result);
  weights.resume_training();
  return result;
}

}  // namespace

PretrainReport pretrain_vae(const PretrainConfig& config, const ImageFolder& folder,
                            const std::string& digest, Progress& progress, std::stop_token stop) {
  const ComponentConfig source = read_component_config(config, Component::kVae);
  const VaeConfig numbers = VaeConfig::from_json(source.json, source.where);
  if (config.resolution % numbers.downscale() != 0 ||
      config.crop_size.value_or(0) % numbers.downscale() != 0 ||
      config.crop_size.value_or(0) > config.resolution) {
    throw UsageError(concat("--resolution ", config.resolution, " and --crop_size ",
                            config.crop_size.value_or(0), ": want multiples of ",
                            numbers.downscale(), ", the crop not larger than the picture"));
  }
  std::vector<std::shared_ptr<AutoencoderKl>> models;
  std::vector<ModelSet> sets;
  for (size_t i = 0; i < replica_count(config); ++i) {
    models.push_back(std::make_shared<AutoencoderKl>(
        numbers, at::TensorOptions().dtype(at::kFloat).device(at::kMeta)));
    sets.push_back({{component_name(Component::kVae), models.back()}});
  }
  start_weights(config, *models[0]);
  WeightReplicas weights(std::move(sets), replica_options_of(config));
  log_to(progress).info(concat("autoencoder: ", weights.trainable_numbers(), " numbers train, ",
                               weights.count(), " copies"));
  const PicturePool pool = read_pool(config, folder, progress, stop);
  PretrainReport report;
  report.stopped = stop.stop_requested();
  if (report.stopped) return report;
  VaeStage stage(config, pool, models);
  report = run_steps(config, stage, weights, digest, progress, stop);
  if (report.stopped) return report;
  write_component(config, Component::kVae,
                  finished_weights(config, pool, *models[0], weights, progress));
  report.path = config.output_dir;
  return report;
}

}  // namespace dorabooth
