// The held-out loss of base and adapters, batch after batch, each column over the same rows.
#include "pipelines/evaluate.h"

#include <ATen/ATen.h>

#include <filesystem>

#include "datasets/example_set.h"
#include "pipelines/parts/adapter_stack.h"
#include "pipelines/parts/base_loading.h"
#include "pipelines/parts/held_out_loss.h"
#include "pipelines/parts/step_meter.h"
#include "src/base/error.h"
#include "src/model/prompt_encoding.h"
#include "src/scheduler/noise_schedule.h"

namespace dorabooth {

namespace {

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
  ExampleSet examples = encode_examples(
      examples_request, *bundle.vae, [](int64_t) {}, stop);
  EvaluateReport report;
  if (examples.size() == 0) {
    report.stopped = true;
    return report;
  }

  const Ddpm schedule(config_for_class(bundle.scheduler, "DDPMScheduler"));
  const HeldOutLoss loss(std::move(examples), static_cast<uint64_t>(request.seed),
                         request.num_timesteps, bundle.vae->config().scaling_factor);
  std::vector<Column> columns = make_columns(request, bundle, loss.captions(), log);
  const int64_t total = loss.rows();
  StepMeter meter(progress, "evaluate", (total + request.batch_size - 1) / request.batch_size);
  for (int64_t first = 0; first < total; first += request.batch_size) {
    if (stop.stop_requested()) {
      report.stopped = true;
      return report;
    }
    const int64_t last = std::min(first + request.batch_size, total);
    std::vector<std::pair<std::string, double>> losses;
    for (Column& column : columns) {
      const auto scopes = column.stack.attach();
      column.sum +=
          loss.sum(bundle, schedule, bundle.scheduler.prediction_type, column.embeds, first, last);
      losses.emplace_back("loss/" + column.name, column.sum / static_cast<double>(last));
    }
    meter.step(std::move(losses));
  }
  report.pictures = loss.pictures();
  for (const Column& column : columns) {
    report.rows.push_back(
        {column.name, column.sum / static_cast<double>(total), column.sum / columns[0].sum - 1.0});
  }
  return report;
}

}  // namespace dorabooth
