// Previews use the sampling loop of pipelines/generation with the adapter of one trainer attached.
#include "pipelines/parts/training_previews.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <iomanip>

#include "datasets/image_folder.h"
#include "pipelines/parts/generation.h"
#include "pipelines/parts/picture_text.h"
#include "pipelines/parts/step_meter.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/imagefile/image_file.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

SamplingOptions square_pictures(const TrainConfig& config) {
  SamplingOptions options;
  options.height = config.resolution;
  options.width = config.resolution;
  return options;
}

SamplingOptions preview_options(const TrainConfig& config) {
  SamplingOptions options = square_pictures(config);
  options.num_inference_steps = config.validation_inference_steps;
  options.guidance_scale = config.validation_guidance_scale;
  return options;
}

// What A1111 and its kin show of a preview; it has no request of ours, since its adapter is in no
// file.
PngText preview_text(const TrainConfig& config, const SdxlBundle& bundle,
                     const GenerationPlan& plan, int64_t seed) {
  SampleRequest request;
  static_cast<ModelOptions&>(request) = config;
  static_cast<SamplingOptions&>(request) = preview_options(config);
  const SampleRequest one =
      request_of_one(request, *config.validation_prompt, seed, 0, plan, bundle);
  const std::string model = bundle.path.filename().string();
  return {{"parameters", parameters_text(one, plan.scheduler_class(), model)}};
}

fs::path class_picture(const fs::path& folder, int64_t number) {
  std::ostringstream name;
  name << "class-" << std::setw(5) << std::setfill('0') << number << ".png";
  return folder / name.str();
}

// Numbers of the pictures to draw: the lowest that no file has yet.
std::vector<int64_t> missing_class_pictures(const fs::path& folder, int64_t wanted) {
  const auto present = static_cast<int64_t>(list_pictures(folder).size());
  std::vector<int64_t> numbers;
  for (int64_t k = 0; static_cast<int64_t>(numbers.size()) < wanted - present; ++k) {
    if (!fs::exists(class_picture(folder, k))) numbers.push_back(k);
  }
  return numbers;
}

}  // namespace

void draw_previews(const TrainConfig& config, const SdxlBundle& bundle, const Trainers& trainers,
                   int64_t step, TensorboardFile* tensorboard, Progress& progress,
                   std::stop_token stop) {
  at::NoGradGuard no_grad;
  const Log log = log_to(progress);
  const GenerationPlan plan = plan_generation(preview_options(config), bundle, log);
  const fs::path folder = fs::path(config.output_dir) / "samples" / concat("step-", step);
  const auto draw = [&](const AdapterTrainer& trainer, int64_t row, int64_t column,
                        const Conditioning& conditioning) {
    const int64_t seed = config.seed + row;
    TorchNoise noise({static_cast<uint64_t>(seed)});
    const auto pictures =
        draw_pictures(bundle, plan, conditioning, 1, noise, [&] { return !stop.stop_requested(); });
    if (pictures.empty()) return;
    const Image& picture = pictures[0];
    const std::string png = encode_png(picture, preview_text(config, bundle, plan, seed));
    write_file_atomically(folder / concat(trainer.name(), "-", seed, ".png"), png);
    if (tensorboard) {
      tensorboard->picture(step, concat("samples/", trainer.name(), "/seed-", seed), picture.width,
                           picture.height, png);
    }
    progress.on(PreviewEvent{row, column, concat("seed ", seed), trainer.name(), picture, step});
  };
  for (size_t column = 0; column < trainers.size(); ++column) {
    AdapterTrainer& trainer = *trainers[column];
    trainer.set().set_training(false, 0, 0);
    const AdapterTrainer::Averages averages(trainer);
    const AttachScope scope = trainer.set().attach();
    try {
      const Conditioning conditioning =
          encode_conditioning(bundle, plan, *config.validation_prompt, log);
      for (int64_t row = 0; row < config.num_validation_images; ++row) {
        if (stop.stop_requested()) return;
        draw(trainer, row, static_cast<int64_t>(column), conditioning);
      }
    } catch (const Error& error) {
      log.warning(
          concat("no preview of ", trainer.name(), " after step ", step, ": ", error.what()));
    }
  }
}

void make_class_pictures(const TrainConfig& config, const SdxlBundle& bundle, Progress& progress,
                         std::stop_token stop) {
  const fs::path folder = *config.class_data_dir;
  fs::create_directories(folder);
  const std::vector<int64_t> missing = missing_class_pictures(folder, config.num_class_images);
  if (missing.empty()) return;
  at::NoGradGuard no_grad;
  const Log log = log_to(progress);
  log.info(concat("drawing ", missing.size(), " class pictures of '", *config.class_prompt,
                  "' into ", folder.string()));
  const GenerationPlan plan = plan_generation(square_pictures(config), bundle, log);
  const Conditioning conditioning = encode_conditioning(bundle, plan, *config.class_prompt, log);
  StepMeter meter(progress, "class pictures", static_cast<int64_t>(missing.size()));
  const auto batch = static_cast<size_t>(config.sample_batch_size);
  for (size_t first = 0; first < missing.size(); first += batch) {
    const size_t last = std::min(first + batch, missing.size());
    std::vector<uint64_t> seeds;
    for (size_t i = first; i < last; ++i) {
      seeds.push_back(static_cast<uint64_t>(config.seed + missing[i]));
    }
    TorchNoise noise(seeds);
    const auto pictures =
        draw_pictures(bundle, plan, conditioning, static_cast<int64_t>(seeds.size()), noise,
                      [&] { return !stop.stop_requested(); });
    if (pictures.empty()) return;
    for (size_t i = 0; i < pictures.size(); ++i) {
      write_png(class_picture(folder, missing[first + i]), pictures[i]);
      meter.step();
    }
  }
}

}  // namespace dorabooth
