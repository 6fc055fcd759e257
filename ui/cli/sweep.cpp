// dorabooth sweep
#include "pipelines/sweep.h"

#include <nlohmann/json.hpp>

#include "pipelines/sweep_text.h"
#include "src/device/device.h"
#include "ui/cli/arguments.h"
#include "ui/cli/commands.h"
#include "ui/cli/progress_line.h"
#include "ui/cli/stop_signals.h"

namespace dorabooth {

namespace {

const CommandText kText = {
    "sweep",
    "Train at every point of a grid over settings, and measure each on pictures that no run saw.",
    "",
    true,
    "dorabooth sweep --config configs/style_small.json --field rank=4,8,16 --field seed=0,1,2 \\\n"
    "    --evaluation_data_dir assets/pictures/heldout --output_dir out/ranks",
    {"field", "evaluation_data_dir", "output_dir", "adapter", "learning_rate", "max_train_steps"}};

}  // namespace

int sweep_command(const Arguments& arguments, const Streams& streams) {
  SweepRequest request;
  const ReadArguments read = read_arguments(kText, sweep_fields(), &request, arguments, streams.out,
                                            train_foreign_flags());
  if (read.done) return 0;
  open_device(request.device);
  const StopSignals signals;
  SweepReport report;
  {
    ProgressLine progress(streams.errors, standard_error_columns());
    for (const std::string& note : read.notes) progress.message("note: " + note);
    report = sweep(request, progress, signals.token());
  }
  if (read.json) {
    streams.out << sweep_json(report).dump(2) << '\n';
  } else {
    streams.out << sweep_table(report);
    for (const std::string& file : report.files) streams.out << file << '\n';
  }
  for (const SweepRun& run : report.runs) {
    if (!run.failure.empty()) return 1;
  }
  return report.stopped ? 1 : 0;
}

}  // namespace dorabooth
