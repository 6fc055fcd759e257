// Whether generated pictures show what they were asked to show: each is compared with the real
// pictures of all concepts, by colour and edge histograms (datasets/picture_histogram.h), and the
// place of the right one among them is told.
#pragma once

#include <stop_token>

#include "pipelines/progress.h"
#include "src/config/field_list.h"

namespace dorabooth {

struct RankRequest {
  std::string generated_dir;
  std::string instance_data_dir;              // the real pictures, captioned with their concepts
  std::optional<std::string> caption_column;  // of the real pictures
  std::optional<std::string> caption_prefix;
  double nearest_percent = 5.0;
  std::optional<int64_t> at_least;  // read by the command line: its exit status
};

const FieldList<RankRequest>& rank_fields();

struct RankedPicture {
  std::string path;
  std::string prompt;
  std::string caption;  // the concept
  int64_t rank = 0;     // of the right real picture: 1 is the nearest; others at its distance first
  std::string nearest;  // caption of the nearest real picture
};

struct RankReport {
  std::vector<RankedPicture> pictures;  // in the order of their names
  int64_t real_pictures = 0;
  int64_t rank_limit = 0;   // the largest rank within nearest_percent, at least 1
  int64_t within = 0;       // pictures up to it
  int64_t median_rank = 0;  // the higher of the middle two
  int64_t left_out = 0;     // pictures whose prompt does not begin with caption_prefix
  bool stopped = false;
};

// A generated picture's prompt is its caption (metadata.jsonl or .csv, a .txt or .caption file), or
// else what this program wrote into the PNG. Its concept is the longest caption of a real picture
// that the prompt ends with, whole words only; with caption_prefix, all that follows the prefix.
// Where several real pictures have that caption, the nearest of them counts.
//
// Measured on 154 concepts (every tenth) of three sets of 1,545 icons each, drawn by three firms in
// styles of their own (Fluent flat, Noto, Twemoji; enlarged to 128x128): share within the nearest
// 5 %, and median rank, the three sets in that order.
//   the picture, blurred by a Gaussian of 4 pixels    100, 100, 100 %       1,   1,   1
//   blurred by 8 pixels                                99,  99,  99 %       2,   1,   1
//   with noise of 30 (of 255)                          99,  98,  98 %       1,   1,   1
//   as a JPEG of quality 10                           100, 100, 100 %       1,   1,   1
//   moved by 8 pixels both ways                       100, 100, 100 %       1,   1,   1
//   as 8x8 squares                                     83,  88,  91 %       9,   9,   5
//   as 4x4 pixels, interpolated                        56,  76,  81 %      59,  34,  17
//   its hues turned by 60 degrees                      94,  92,  93 %       2,   1,   1
//   the concept as another firm draws it               75 to 83 %           3 to 10
//   the picture of another concept (chance: 5 %)      3.9, 4.5, 6.5 %     746, 759, 759
// (Fluent's 3D drawings of 1,405 of the concepts, in the flat set: 99.7 %, median 1.)
// So it judges concepts, and says little about style and sharpness.
RankReport rank_pictures(const RankRequest& request, Progress& progress, std::stop_token stop);

}  // namespace dorabooth
