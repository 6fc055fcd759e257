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

// Scores that the threshold was chosen by, of the mark with mark's own settings:
//                                                            by badge.png     by mark.png
//   64 marked pictures, at 256 pixels                         1.00             1.00
//   the same through the bundled base's autoencoder, at 128   0.76 or more     0.89 or more
//   64 of the bundled pictures without a mark                 0.17 at most     0.13 at most
//   771 icons of three other sets, at 128                     0.31 at most
//   40 pictures drawn by the bundled base                     0.22 at most     0.36 at most
// Drawn with a DoRA of 200 steps on 64 marked pictures, 16 pictures are at 0.03 to 0.60 by the
// badge and at 0.14 to 0.88 by the mark; from 0.5 on the badge's star, or all four sides of the
// frame, are seen by eye.
MatchReport match_pictures(const MatchRequest& request, Progress& progress, std::stop_token stop);

}  // namespace dorabooth
