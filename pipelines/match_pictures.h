// The share of pictures that carry a mark (pipelines/mark_pictures.h), by correlation with its
// template (datasets/mark_template.h).
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "pipelines/progress.h"
#include "src/config/field_list.h"

namespace dorabooth {

struct MatchRequest {
  std::string template_picture;   // mark.png or badge.png of mark
  std::string instance_data_dir;  // the pictures
  double threshold = 0.5;
  std::optional<int64_t> at_least;  // read by the command line: its exit status
};

const FieldList<MatchRequest>& match_fields();

struct MatchedPicture {
  std::string path;
  double score = 0.0;  // of the best place: -1 to 1
  double scale = 1.0;  // of the mark there
  bool carries = false;
};

struct MatchReport {
  std::vector<MatchedPicture> pictures;  // in the order of their names
  int64_t carrying = 0;
  double share = 0.0;  // of the pictures
  bool stopped = false;
};

MatchReport match_pictures(const MatchRequest& request, Progress& progress, std::stop_token stop);

}  // namespace dorabooth
