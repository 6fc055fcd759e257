// dorabooth rank
#include "pipelines/rank_pictures.h"

#include <iomanip>
#include <nlohmann/json.hpp>

#include "ui/cli/arguments.h"
#include "ui/cli/commands.h"
#include "ui/cli/progress_line.h"
#include "ui/cli/stop_signals.h"

namespace dorabooth {

namespace {

const CommandText kText = {
    "rank",
    "Where the right concept stands among all real pictures, for each generated picture, by "
    "histograms of colours and edges.",
    "", true, "dorabooth rank --generated_dir samples --instance_data_dir icons --at_least 32"};

nlohmann::json to_json(const RankReport& report, const RankRequest& request) {
  nlohmann::json pictures = nlohmann::json::array();
  for (const RankedPicture& picture : report.pictures)
    pictures.push_back({{"path", picture.path},
                        {"prompt", picture.prompt},
                        {"caption", picture.caption},
                        {"rank", picture.rank},
                        {"nearest", picture.nearest}});
  return {{"pictures", pictures},
          {"real_pictures", report.real_pictures},
          {"nearest_percent", request.nearest_percent},
          {"rank_limit", report.rank_limit},
          {"within", report.within},
          {"median_rank", report.median_rank},
          {"left_out", report.left_out},
          {"stopped", report.stopped}};
}

void print(const RankReport& report, const RankRequest& request, std::ostream& out) {
  for (const RankedPicture& picture : report.pictures) {
    out << std::setw(6) << picture.rank << " of " << report.real_pictures << "  " << picture.path
        << "  " << picture.caption;
    if (picture.nearest != picture.caption) out << " (nearest: " << picture.nearest << ")";
    out << '\n';
  }
  out << report.within << " of " << report.pictures.size() << " within the nearest "
      << request.nearest_percent << " % (rank " << report.rank_limit << " of "
      << report.real_pictures << "), median rank " << report.median_rank << '\n';
  if (report.left_out > 0) {
    out << report.left_out << (report.left_out == 1 ? " picture" : " pictures")
        << " with another prompt left out\n";
  }
}

}  // namespace

int rank_command(const Arguments& arguments, const Streams& streams) {
  RankRequest request;
  const ReadArguments read = read_arguments(kText, rank_fields(), &request, arguments, streams.out);
  if (read.done) return 0;
  const StopSignals signals;
  RankReport report;
  {
    ProgressLine progress(streams.errors, standard_error_columns());
    report = rank_pictures(request, progress, signals.token());
  }
  if (read.json) {
    streams.out << to_json(report, request).dump(2) << '\n';
  } else if (!report.stopped) {
    print(report, request, streams.out);
  }
  if (report.stopped) return 1;
  if (request.at_least && report.within < *request.at_least) {
    streams.errors << "dorabooth rank: for " << report.within << " of " << report.pictures.size()
                   << " pictures the right concept is within the nearest "
                   << request.nearest_percent << " %; want at least " << *request.at_least << '\n';
    return 1;
  }
  return 0;
}

}  // namespace dorabooth
