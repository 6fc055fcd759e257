// Held-out denoising loss: mean squared error of the prediction over pictures × stratified
// timesteps, unweighted, from the posterior's mean, with noise that is a function of (seed,
// picture, timestep).
#include "pipelines/evaluate.h"

#include <ATen/ATen.h>

#include <filesystem>
#include <span>

#include "datasets/example_set.h"
#include "pipelines/parts/adapter_stack.h"
#include "pipelines/parts/base_loading.h"
#include "pipelines/parts/step_meter.h"
#include "src/base/error.h"
#include "src/base/random_stream.h"
#include "src/model/prompt_encoding.h"
#include "src/objective/target.h"
#include "src/scheduler/noise_schedule.h"

namespace dorabooth {

namespace {

// Rows [first, last) of the fixed list (picture 0 timestep 0, picture 0 timestep 1, …).
struct FixedRows {
  at::Tensor latents;
  at::Tensor noise;
  at::Tensor timesteps;
  at::Tensor pictures;  // index of each row's picture
};

// The middle of each of `count` equal parts of the schedule.
int64_t stratified_timestep(int64_t k, int64_t count, int64_t num_train_timesteps) {
  return (2 * k + 1) * num_train_timesteps / (2 * count);
}

FixedRows fixed_rows(const ExampleSet& examples, const EvaluateRequest& request,
                     double scaling_factor, int64_t num_train_timesteps, int64_t first,
                     int64_t last) {
  const RandomStream stream(static_cast<uint64_t>(request.seed), "evaluate/noise");
  std::vector<at::Tensor> latents;
  std::vector<at::Tensor> noise;
  std::vector<int64_t> timesteps;
  std::vector<int64_t> pictures;
  for (int64_t row = first; row < last; ++row) {
    const int64_t picture = row / request.num_timesteps;
    const int64_t k = row % request.num_timesteps;
    const at::Tensor mean = examples.mean[picture];
    at::Tensor draw = at::empty(mean.sizes(), at::kFloat);
    stream.normal(static_cast<uint64_t>(picture), static_cast<uint32_t>(k),
                  std::span<float>(draw.data_ptr<float>(), static_cast<size_t>(draw.numel())));
    latents.push_back(mean * scaling_factor);
    noise.push_back(draw);
    timesteps.push_back(stratified_timestep(k, request.num_timesteps, num_train_timesteps));
    pictures.push_back(picture);
  }
  return {at::stack(latents), at::stack(noise), at::tensor(timesteps), at::tensor(pictures)};
}

// Base, then each adapter alone.
struct Column {
  std::string name;
  AdapterStack stack;
  PromptEmbeds embeds;  // a row a picture
  double sum = 0.0;
};

std::vector<Column> make_columns(const EvaluateRequest& request, const SdxlBundle& bundle,
                                 const std::vector<std::string>& captions, const Log& log) {
  std::vector<Column> columns;
  columns.push_back({"base", {}, encode_prompts(bundle, captions, LongPrompts::kCut, log), 0.0});
  for (const std::string& text : request.adapter_path) {
    const AdapterArgument argument = parse_named_adapter(text);
    Column column{argument.name,
                  AdapterStack({argument}, parse_strength_rule(request.strength_rule), bundle),
                  columns[0].embeds, 0.0};
    if (column.stack.touches_text_encoders()) {
      const auto scopes = column.stack.attach();
      column.embeds = encode_prompts(bundle, captions, LongPrompts::kCut, Log());
    }
    columns.push_back(std::move(column));
  }
  return columns;
}

double summed_row_losses(const SdxlBundle& bundle, const Ddpm& schedule, const FixedRows& rows,
                         const ExampleSet& examples, const PromptEmbeds& embeds) {
  const at::Device device = bundle.device;
  const at::Tensor pictures = rows.pictures.to(device);
  UNetInputs inputs;
  inputs.sample =
      schedule.add_noise(rows.latents, rows.noise, rows.timesteps).to(device, bundle.dtype);
  inputs.timesteps = rows.timesteps.to(device);
  inputs.encoder_hidden_states = embeds.prompt_embeds.index_select(0, pictures);
  inputs.text_embeds = embeds.pooled.index_select(0, pictures);
  inputs.time_ids = examples.time_ids.index_select(0, rows.pictures).to(device);
  const at::Tensor prediction = bundle.unet->forward(inputs).to(at::kCPU, at::kFloat);
  const at::Tensor target = training_target(bundle.scheduler.prediction_type, schedule,
                                            rows.latents, rows.noise, rows.timesteps);
  const at::Tensor error = (prediction - target).square().to(at::kDouble);
  return error.mean({1, 2, 3}).sum().item<double>();
}

}  // namespace

EvaluateReport evaluate(const EvaluateRequest& request, Progress& progress, std::stop_token stop) {
  at::NoGradGuard no_grad;
  if (request.pretrained_model_name_or_path.empty()) {
    throw UsageError("--pretrained_model_name_or_path is missing");
  }
  if (request.instance_data_dir.empty()) throw UsageError("--instance_data_dir is missing");
  const Log log = log_to(progress);
  const ImageFolder folder = read_image_folder(
      {request.instance_data_dir, request.caption_column, request.instance_prompt});
  for (const std::string& note : folder.notes) log.info(note);
  verify_pictures(folder.pictures, stop);
  const SdxlBundle bundle = load_base(request, log);

  ExampleRequest examples_request;
  examples_request.pictures = folder.pictures;
  const auto side = static_cast<int>(request.resolution);
  examples_request.target = {side, side};
  examples_request.center_crop = true;
  const ExampleSet examples = encode_examples(
      examples_request, *bundle.vae, [](int64_t) {}, stop);
  EvaluateReport report;
  if (examples.size() == 0) {
    report.stopped = true;
    return report;
  }

  const Ddpm schedule(config_for_class(bundle.scheduler, "DDPMScheduler"));
  std::vector<Column> columns = make_columns(request, bundle, examples.captions, log);
  const int64_t total = examples.size() * request.num_timesteps;
  StepMeter meter(progress, "evaluate", (total + request.batch_size - 1) / request.batch_size);
  for (int64_t first = 0; first < total; first += request.batch_size) {
    if (stop.stop_requested()) {
      report.stopped = true;
      return report;
    }
    const FixedRows rows = fixed_rows(examples, request, bundle.vae->config().scaling_factor,
                                      schedule.num_train_timesteps(), first,
                                      std::min(first + request.batch_size, total));
    std::vector<std::pair<std::string, double>> losses;
    for (Column& column : columns) {
      const auto scopes = column.stack.attach();
      column.sum += summed_row_losses(bundle, schedule, rows, examples, column.embeds);
      losses.emplace_back(
          "loss/" + column.name,
          column.sum / static_cast<double>(std::min(first + request.batch_size, total)));
    }
    meter.step(std::move(losses));
  }
  report.pictures = examples.size();
  for (const Column& column : columns) {
    report.rows.push_back(
        {column.name, column.sum / static_cast<double>(total), column.sum / columns[0].sum - 1.0});
  }
  return report;
}

}  // namespace dorabooth
