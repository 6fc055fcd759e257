// Through `evaluate` and `sample`, as anybody would measure by hand.
#include "pipelines/parts/sweep_measurement.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "datasets/image_folder.h"
#include "datasets/picture_histogram.h"
#include "pipelines/evaluate.h"
#include "pipelines/parts/trainer_options.h"
#include "pipelines/sample.h"
#include "src/base/error.h"
#include "src/imagefile/image_file.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

EvaluateRequest evaluation_of(const SweepRequest& request, const TrainConfig& config) {
  EvaluateRequest evaluation;
  static_cast<ModelOptions&>(evaluation) = model_options_of(config);
  evaluation.instance_data_dir = request.evaluation_data_dir;
  evaluation.instance_prompt = config.instance_prompt;
  evaluation.caption_column = config.caption_column;
  evaluation.clip_skip = config.clip_skip;
  evaluation.resolution = config.resolution;
  evaluation.num_timesteps = request.evaluation_num_timesteps;
  evaluation.seed = request.evaluation_seed;
  evaluation.batch_size = request.evaluation_batch_size;
  return evaluation;
}

// Mean distance of the pictures that are drawn for the first held-out captions from those real
// pictures; nothing if it was asked to stop.
std::optional<double> drawn_distance(const SweepRequest& request, const TrainConfig& config,
                                     const TrainedAdapter* adapter, const std::string& folder,
                                     Progress& progress, std::stop_token stop) {
  ImageFolder real = read_image_folder(
      {request.evaluation_data_dir, config.caption_column, config.instance_prompt});
  const auto wanted = static_cast<size_t>(request.evaluation_images);
  if (real.pictures.size() < wanted) {
    fail("--evaluation_images: want ", wanted, " held-out captions, ", request.evaluation_data_dir,
         " has ", real.pictures.size());
  }
  real.pictures.resize(wanted);
  SampleRequest sampling;
  static_cast<ModelOptions&>(sampling) = model_options_of(config);
  for (const CaptionedPicture& picture : real.pictures) sampling.prompt.push_back(picture.caption);
  sampling.seed = {request.evaluation_seed};
  sampling.height = sampling.width = config.resolution;
  sampling.num_inference_steps = request.evaluation_inference_steps;
  sampling.guidance_scale = request.evaluation_guidance_scale;
  sampling.clip_skip = config.clip_skip;
  if (adapter) {
    sampling.adapter_path = {adapter->path};
    if (!adapter->embedding.empty()) sampling.embedding = {adapter->embedding};
  }
  fs::remove_all(folder);
  sampling.output_dir = folder;
  const SampleReport drawn = sample(sampling, progress, stop);
  if (drawn.stopped) return std::nullopt;
  double sum = 0.0;
  for (size_t i = 0; i < wanted; ++i) {
    sum += histogram_distance(picture_histogram(read_picture(drawn.pictures.at(i).path).image),
                              picture_histogram(read_picture(real.pictures[i].path).image));
  }
  return sum / static_cast<double>(wanted);
}

}  // namespace

nlohmann::json measurement_settings(const SweepRequest& request, const TrainConfig& config) {
  const EvaluateRequest evaluation = evaluation_of(request, config);
  nlohmann::json settings = evaluate_fields().to_json(&evaluation);
  settings["images"] = request.evaluation_images;
  settings["inference_steps"] = request.evaluation_inference_steps;
  settings["guidance_scale"] = request.evaluation_guidance_scale;
  return settings;
}

std::optional<BaseMeasure> measure_base(const SweepRequest& request, const TrainConfig& config,
                                        const std::string& folder, Progress& progress,
                                        std::stop_token stop) {
  const EvaluateReport report = evaluate(evaluation_of(request, config), progress, stop);
  if (report.stopped) return std::nullopt;
  BaseMeasure measure{report.rows.at(0).loss, std::nullopt};
  if (request.evaluation_images == 0) return measure;
  measure.image_distance = drawn_distance(request, config, nullptr,
                                          (fs::path(folder) / "base").string(), progress, stop);
  if (!measure.image_distance) return std::nullopt;
  return measure;
}

std::optional<std::vector<SweepMeasure>> measure_adapters(
    const SweepRequest& request, const TrainConfig& config,
    const std::vector<TrainedAdapter>& adapters, const BaseMeasure& base, const std::string& folder,
    Progress& progress, std::stop_token stop) {
  EvaluateRequest evaluation = evaluation_of(request, config);
  evaluation.with_base = false;
  for (const TrainedAdapter& adapter : adapters) {
    evaluation.adapter_path.push_back(adapter.name + "=" + adapter.path);
    if (!adapter.embedding.empty())
      evaluation.embedding.push_back(adapter.name + "=" + adapter.embedding);
  }
  const EvaluateReport report = evaluate(evaluation, progress, stop);
  if (report.stopped) return std::nullopt;
  std::vector<SweepMeasure> measures;
  for (size_t i = 0; i < adapters.size(); ++i) {
    const double loss = report.rows.at(i).loss;
    SweepMeasure measure{adapters[i].name, adapters[i].parameters, loss, loss / base.loss - 1.0,
                         std::nullopt};
    if (request.evaluation_images > 0) {
      measure.image_distance =
          drawn_distance(request, config, &adapters[i],
                         (fs::path(folder) / adapters[i].name).string(), progress, stop);
      if (!measure.image_distance) return std::nullopt;
    }
    measures.push_back(std::move(measure));
  }
  return measures;
}

}  // namespace dorabooth
