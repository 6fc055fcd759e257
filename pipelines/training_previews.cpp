#include "pipelines/training_previews.h"

#include <ATen/ATen.h>

#include <iomanip>

#include "datasets/image_folder.h"
#include "pipelines/generation.h"
#include "pipelines/step_meter.h"
#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/imagefile/image_file.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

SamplingOptions preview_options(const TrainConfig& config) {
  SamplingOptions options;
  options.num_inference_steps = config.validation_inference_steps;
  options.guidance_scale = config.validation_guidance_scale;
  options.height = config.resolution;
  options.width = config.resolution;
  return options;
}

}  // namespace

void draw_previews(const TrainConfig& config, const SdxlBundle& bundle,
                   const std::vector<std::unique_ptr<AdapterTrainer>>& trainers, int64_t step,
                   Progress& progress, std::stop_token stop) {
  at::NoGradGuard no_grad;
  const Log log = log_to(progress);
  const GenerationPlan plan = plan_generation(preview_options(config), bundle, log);
  const fs::path folder = fs::path(config.output_dir) / "samples" / concat("step-", step);
  for (size_t column = 0; column < trainers.size(); ++column) {
    AdapterTrainer& trainer = *trainers[column];
    trainer.set().set_training(false, 0, 0);
    const AttachScope scope = trainer.set().attach();
    const Conditioning conditioning =
        encode_conditioning(bundle, plan, *config.validation_prompt, log);
    for (int64_t row = 0; row < config.num_validation_images; ++row) {
      const auto seed = static_cast<uint64_t>(config.seed + row);
      TorchNoise noise({seed});
      const auto pictures = draw_pictures(bundle, plan, conditioning, 1, noise,
                                          [&] { return !stop.stop_requested(); });
      if (pictures.empty()) return;
      const fs::path path = folder / concat(trainer.name(), "-", seed, ".png");
      write_png(path, pictures[0], {{"parameters", *config.validation_prompt}});
      progress.on(PreviewEvent{row, static_cast<int64_t>(column), concat("seed ", seed),
                               trainer.name(), pictures[0]});
    }
  }
}

void make_class_pictures(const TrainConfig& config, const SdxlBundle& bundle, Progress& progress,
                         std::stop_token stop) {
  const fs::path folder = *config.class_data_dir;
  fs::create_directories(folder);
  const auto present = static_cast<int64_t>(list_pictures(folder).size());
  if (present >= config.num_class_images) return;
  at::NoGradGuard no_grad;
  const Log log = log_to(progress);
  log.info(concat("drawing ", config.num_class_images - present, " class pictures of '",
                  *config.class_prompt, "' into ", folder.string()));
  const GenerationPlan plan = plan_generation(preview_options(config), bundle, log);
  const Conditioning conditioning = encode_conditioning(bundle, plan, *config.class_prompt, log);
  StepMeter meter(progress, "class pictures", config.num_class_images - present);
  for (int64_t first = present; first < config.num_class_images;
       first += config.sample_batch_size) {
    const int64_t batch = std::min(config.sample_batch_size, config.num_class_images - first);
    // The seed counts pictures, so that the k-th is the same whatever was there and however
    // batched.
    std::vector<uint64_t> seeds;
    for (int64_t i = 0; i < batch; ++i)
      seeds.push_back(static_cast<uint64_t>(config.seed + first + i));
    TorchNoise noise(seeds);
    const auto pictures = draw_pictures(bundle, plan, conditioning, batch, noise,
                                        [&] { return !stop.stop_requested(); });
    for (size_t i = 0; i < pictures.size(); ++i) {
      std::ostringstream name;
      name << "class-" << std::setw(5) << std::setfill('0') << first + static_cast<int64_t>(i)
           << ".png";
      write_png(folder / name.str(), pictures[i]);
      meter.step();
    }
    if (pictures.empty()) return;
  }
}

}  // namespace dorabooth
