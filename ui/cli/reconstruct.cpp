// dorabooth reconstruct
#include "pipelines/reconstruct.h"

#include <iomanip>
#include <nlohmann/json.hpp>

#include "ui/cli/arguments.h"
#include "ui/cli/commands.h"
#include "ui/cli/progress_line.h"
#include "ui/cli/stop_signals.h"

namespace dorabooth {

namespace {

const CommandText kText = {
    "reconstruct",
    "What an autoencoder loses: the PSNR of pictures that went through it and back, for each "
    "folder.",
    "", true,
    "dorabooth reconstruct --pretrained_vae_model_name_or_path base --instance_data_dir icons "
    "--resolution 128"};

nlohmann::json to_json(const ReconstructReport& report) {
  nlohmann::json folders = nlohmann::json::array();
  for (const FolderReconstruction& folder : report.folders)
    folders.push_back({{"folder", folder.folder},
                       {"pictures", folder.pictures},
                       {"psnr", folder.psnr},
                       {"psnr_low", folder.psnr_low},
                       {"worst", folder.worst},
                       {"output_dir", folder.output_dir}});
  return {{"folders", folders}, {"stopped", report.stopped}};
}

void print(const ReconstructReport& report, std::ostream& out) {
  out << std::fixed << std::setprecision(2);
  for (const FolderReconstruction& folder : report.folders) {
    out << std::setw(6) << folder.psnr << " dB, mean of " << folder.pictures << "  "
        << folder.folder << " (lowest: " << folder.psnr_low << ", " << folder.worst << ")\n";
    if (!folder.output_dir.empty()) out << "saved " << folder.output_dir << '\n';
  }
}

}  // namespace

int reconstruct_command(const Arguments& arguments, const Streams& streams) {
  ReconstructRequest request;
  const ReadArguments read =
      read_arguments(kText, reconstruct_fields(), &request, arguments, streams.out);
  if (read.done) return 0;
  const StopSignals signals;
  ReconstructReport report;
  {
    ProgressLine progress(streams.errors, standard_error_columns());
    report = reconstruct(request, progress, signals.token());
  }
  if (read.json) {
    streams.out << to_json(report).dump(2) << '\n';
  } else {
    print(report, streams.out);
  }
  if (report.stopped) return 1;
  for (const FolderReconstruction& folder : report.folders) {
    if (!request.at_least || folder.psnr >= *request.at_least) continue;
    streams.errors << "dorabooth reconstruct: " << folder.folder << " comes back at " << folder.psnr
                   << " dB; want at least " << *request.at_least << '\n';
    return 1;
  }
  return 0;
}

}  // namespace dorabooth
