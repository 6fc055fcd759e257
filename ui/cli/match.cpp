// dorabooth match
#include <iomanip>
#include <nlohmann/json.hpp>

#include "pipelines/match_pictures.h"
#include "ui/cli/arguments.h"
#include "ui/cli/commands.h"
#include "ui/cli/progress_line.h"
#include "ui/cli/stop_signals.h"

namespace dorabooth {

namespace {

const CommandText kText = {
    "match", "Which of the pictures carry a mark, by correlation with the mark alone.", "", true,
    "dorabooth match --template marked/badge.png --instance_data_dir samples"};

nlohmann::json to_json(const MatchReport& report, const MatchRequest& request) {
  nlohmann::json pictures = nlohmann::json::array();
  for (const MatchedPicture& picture : report.pictures)
    pictures.push_back({{"path", picture.path},
                        {"score", picture.score},
                        {"scale", picture.scale},
                        {"carries", picture.carries}});
  return {{"pictures", pictures},
          {"threshold", request.threshold},
          {"carrying", report.carrying},
          {"share", report.share},
          {"stopped", report.stopped}};
}

void print(const MatchReport& report, const MatchRequest& request, std::ostream& out) {
  out << std::fixed;
  for (const MatchedPicture& picture : report.pictures) {
    out << std::setw(7) << std::setprecision(3) << picture.score
        << (picture.carries ? "  +  " : "  -  ") << picture.path << '\n';
  }
  out << report.carrying << " of " << report.pictures.size() << " carry the mark ("
      << std::setprecision(1) << 100 * report.share << " %), threshold " << std::setprecision(2)
      << request.threshold << '\n';
}

}  // namespace

int match_command(const Arguments& arguments, const Streams& streams) {
  MatchRequest request;
  const ReadArguments read =
      read_arguments(kText, match_fields(), &request, arguments, streams.out);
  if (read.done) return 0;
  const StopSignals signals;
  MatchReport report;
  {
    ProgressLine progress(streams.errors, standard_error_columns());
    report = match_pictures(request, progress, signals.token());
  }
  if (read.json) {
    streams.out << to_json(report, request).dump(2) << '\n';
  } else if (!report.stopped) {
    print(report, request, streams.out);
  }
  if (report.stopped) return 1;
  if (request.at_least && report.carrying < *request.at_least) {
    streams.errors << "dorabooth match: " << report.carrying << " of " << report.pictures.size()
                   << " pictures carry the mark; want at least " << *request.at_least << '\n';
    return 1;
  }
  return 0;
}

}  // namespace dorabooth
