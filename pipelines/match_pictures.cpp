#include "pipelines/match_pictures.h"

#include "datasets/image_folder.h"
#include "datasets/mark_template.h"
#include "pipelines/parts/step_meter.h"
#include "src/base/error.h"
#include "src/imagefile/image_file.h"

namespace dorabooth {

const FieldList<MatchRequest>& match_fields() {
  static const FieldList<MatchRequest> list = [] {
    FieldList<MatchRequest> f;
    f.group("Match");
    f.add("template", &MatchRequest::template_picture,
          "The mark alone on transparent ground: mark.png or badge.png as mark writes them.");
    f.add("instance_data_dir", &MatchRequest::instance_data_dir,
          "Folder of pictures, of any size with the template's proportions.");
    f.add("threshold", &MatchRequest::threshold,
          "Correlation from which a picture carries the mark.")
        .above(0)
        .at_most(1);
    f.add("at_least", &MatchRequest::at_least,
          "Exit status 1 if fewer pictures than this carry the mark.")
        .at_least(0);
    return f;
  }();
  return list;
}

MatchReport match_pictures(const MatchRequest& request, Progress& progress, std::stop_token stop) {
  if (request.template_picture.empty()) throw UsageError("--template is missing");
  if (request.instance_data_dir.empty()) throw UsageError("--instance_data_dir is missing");
  const MarkTemplate mark(read_picture(request.template_picture), request.template_picture);
  ImageFolderRequest folder;
  folder.folder = request.instance_data_dir;
  const std::vector<ListedPicture> listed = list_image_folder(folder).pictures;
  StepMeter meter(progress, "match", static_cast<int64_t>(listed.size()));
  MatchReport report;
  for (const ListedPicture& one : listed) {
    if (stop.stop_requested()) {
      report.stopped = true;
      return report;
    }
    const std::string path = one.path.string();
    const MarkMatch match = mark.best_match(read_picture(path).image, path);
    const bool carries = match.score >= request.threshold;
    report.pictures.push_back({path, match.score, match.scale, carries});
    report.carrying += carries ? 1 : 0;
    meter.step();
  }
  report.share = static_cast<double>(report.carrying) / static_cast<double>(listed.size());
  return report;
}

}  // namespace dorabooth
