// The held-out loss of base and adapters, batch after batch, each column over the same rows.
#include "pipelines/evaluate.h"

#include <ATen/ATen.h>

#include <filesystem>
#include <numeric>

#include "datasets/example_set.h"
#include "pipelines/parts/adapter_reading.h"
#include "pipelines/parts/adapter_stack.h"
#include "pipelines/parts/base_loading.h"
#include "pipelines/parts/embedding_stack.h"
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
  PromptEmbeds embeds;            // a row a picture
  std::vector<double> sums = {};  // by timestep

  double sum() const { return std::accumulate(sums.begin(), sums.end(), 0.0); }
};

// The captions as a column reads them: with its adapters on the text encoders and its embeddings.
PromptEmbeds encode_captions(const EvaluateRequest& request, const SdxlBundle& bundle,
                             Column& column, const EmbeddingStack& tokens,
                             const std::vector<std::string>& captions, const Log& log) {
  const SdxlBundle with_tokens = tokens.with_tokens(bundle);
  const auto scopes = column.stack.attach();
  const auto embedded = tokens.attach(bundle);
  return encode_prompts(with_tokens, captions, LongPrompts::kCut, log,
                        request.clip_skip.value_or(0));
}

std::vector<Column> make_columns(const EvaluateRequest& request, const SdxlBundle& bundle,
                                 const std::vector<std::string>& captions, const Log& log) {
  std::vector<Column> columns;
  columns.push_back({"base", {}, {}});
  for (const std::string& text : request.adapter_path) {
    const AdapterArgument argument = parse_named_adapter(text);
    columns.push_back(
        {argument.name,
         AdapterStack({argument}, parse_strength_rule(request.strength_rule), bundle, request, log),
         {}});
  }
  std::vector<std::string> names;
  for (const Column& column : columns) names.push_back(column.name);
  for (Column& column : columns) {
    const bool is_base = &column == &columns.front();
    auto embeddings = embeddings_of_column(request.embedding, column.name, names);
    for (const LoadedAdapter& adapter : column.stack.adapters()) {
      for (EmbeddingArgument& one : bundled_embeddings({adapter.argument})) {
        embeddings.push_back(std::move(one));
      }
    }
    const EmbeddingStack tokens(embeddings, bundle, log);
    std::vector<std::string> files;
    for (const LoadedAdapter& adapter : column.stack.adapters()) files.push_back(adapter.file);
    tokens.warn_of_unused(captions, log);
    tokens.warn_of_missing(files, captions, log);
    const bool own_text = is_base || column.stack.touches_text_encoders() || !tokens.empty() ||
                          !request.embedding.empty();
    column.embeds =
        own_text ? encode_captions(request, bundle, column, tokens, captions, is_base ? log : Log())
                 : columns[0].embeds;
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
  for (const std::string& note : verify_pictures(folder.pictures, stop)) log.info(note);
  const SdxlBundle bundle = load_base(request, log);

  ExampleRequest examples_request;
  examples_request.pictures = folder.pictures;
  const auto side = static_cast<int>(request.resolution);
  examples_request.target = {side, side};
  examples_request.center_crop = true;
  ExampleSet examples = encode_examples(
      examples_request, *bundle.vae, nullptr, [](int64_t) {}, stop);
  EvaluateReport report;
  if (examples.size() == 0) {
    report.stopped = true;
    return report;
  }

  const Ddpm schedule(config_for_class(bundle.scheduler, "DDPMScheduler"));
  const HeldOutLoss loss(std::move(examples), static_cast<uint64_t>(request.seed),
                         request.num_timesteps, bundle.vae->config().scaling_factor);
  std::vector<Column> columns = make_columns(request, bundle, loss.captions(), log);
  for (Column& column : columns) column.sums.resize(static_cast<size_t>(request.num_timesteps));
  const auto is_measured = [&](const Column& column) {
    return request.with_base || &column != &columns.front();
  };
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
      if (!is_measured(column)) continue;
      const auto scopes = column.stack.attach();
      const std::vector<double> each = loss.losses(
          bundle, schedule, bundle.scheduler.prediction_type, column.embeds, first, last);
      for (size_t row = 0; row < each.size(); ++row) {
        column.sums[(static_cast<size_t>(first) + row) % column.sums.size()] += each[row];
      }
      losses.emplace_back("loss/" + column.name, column.sum() / static_cast<double>(last));
    }
    meter.step(std::move(losses));
  }
  report.pictures = loss.pictures();
  for (int64_t k = 0; k < request.num_timesteps; ++k) {
    report.timesteps.push_back(loss.timestep(k, schedule));
  }
  for (const Column& column : columns) {
    if (!is_measured(column)) continue;
    EvaluateRow row{column.name, column.sum() / static_cast<double>(total),
                    request.with_base ? column.sum() / columns[0].sum() - 1.0 : 0.0, column.sums};
    for (double& each : row.loss_by_timestep) each /= static_cast<double>(report.pictures);
    report.rows.push_back(std::move(row));
  }
  return report;
}

}  // namespace dorabooth
