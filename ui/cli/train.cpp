// dorabooth train
#include "pipelines/train.h"

#include <nlohmann/json.hpp>

#include "src/device/device.h"
#include "src/device/process_environment.h"
#include "ui/cli/arguments.h"
#include "ui/cli/commands.h"
#include "ui/cli/dry_run.h"
#include "ui/cli/progress_line.h"
#include "ui/cli/stop_signals.h"

namespace dorabooth {

namespace {

const CommandText kText = {
    "train",
    "Train LoRA and DoRA adapters on a folder of pictures.",
    "",
    true,
    "dorabooth train --config configs/subject_sdxl_12gb.json --pretrained_model_name_or_path "
    "sdxl-base \\\n    --instance_data_dir my_dog --instance_prompt \"a photo of sks dog\" "
    "--output_dir out/dog",
    {"pretrained_model_name_or_path", "instance_data_dir", "instance_prompt", "output_dir",
     "adapter", "rank", "learning_rate", "max_train_steps", "resolution", "train_batch_size",
     "mixed_precision", "gradient_checkpointing", "validation_prompt"},
    "Train nothing: list every picture's size, crop and loss of area, draw them with their crops "
    "into OUTPUT_DIR/dry_run, and say what memory the run would take."};

nlohmann::json to_json(const TrainReport& report) {
  nlohmann::json adapters = nlohmann::json::array();
  for (const TrainedAdapter& adapter : report.adapters)
    adapters.push_back({{"name", adapter.name},
                        {"path", adapter.path},
                        {"converted", adapter.converted},
                        {"last_loss", adapter.last_loss}});
  return {{"adapters", adapters},           {"steps", report.steps},
          {"stopped", report.stopped},      {"diverged", report.diverged},
          {"seconds", report.seconds},      {"forecast_seconds", report.forecast_seconds},
          {"checkpoint", report.checkpoint}};
}

void print(const TrainReport& report, std::ostream& out) {
  if (report.stopped) {
    out << "stopped after " << report.steps << " steps";
    if (!report.checkpoint.empty())
      out << "; go on with --resume_from_checkpoint " << report.checkpoint;
    out << '\n';
    return;
  }
  for (const TrainedAdapter& adapter : report.adapters)
    out << adapter.name << "  " << adapter.path << "  last loss " << adapter.last_loss << '\n';
}

}  // namespace

int train_command(const Arguments& arguments, const Streams& streams) {
  TrainConfig config;
  const ReadArguments read =
      read_arguments(kText, train_fields(), &config, arguments, streams.out, train_foreign_flags());
  if (read.done) {
    for (const std::string& note : read.notes) streams.errors << "note: " << note << '\n';
    return 0;
  }
  const ProcessEnvironment processes = read_process_environment();
  show_own_gpu(processes, config.device);
  open_device(config.device);
  const StopSignals signals;
  if (read.dry_run) return show_dry_run(config, read, streams, signals.token());
  TrainReport report;
  {
    ProgressLine progress(streams.errors, standard_error_columns());
    if (processes.rank == 0) {
      for (const std::string& note : read.notes) progress.message("note: " + note);
    }
    report = train(config, progress, signals.token(), processes);
  }
  if (processes.rank > 0) return report.stopped ? 1 : 0;
  if (report.diverged)
    streams.errors << "warning: the loss grew to over ten times its start: the learning rate is "
                      "too high\n";
  if (read.json) {
    streams.out << to_json(report).dump(2) << '\n';
  } else {
    print(report, streams.out);
  }
  return report.stopped ? 1 : 0;
}

}  // namespace dorabooth
