// What a run would make of a folder of pictures, picture by picture, before anything is trained:
// sizes, crops, captions, and what is wrong with them. And the edits of a picture's caption and
// crop.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "datasets/crop_rectangle.h"
#include "pipelines/progress.h"
#include "pipelines/survey_cache.h"
#include "pipelines/train.h"
#include "src/config/field_list.h"

namespace dorabooth {

// Settings of a training run, of the same names.
struct SurveyRequest : DataOptions {
  int64_t seed = 0;
  int64_t train_batch_size = 4;
  int64_t thumbnail_size = 256;  // the longer side; 0: no thumbnails

  bool operator==(const SurveyRequest&) const = default;
};

const FieldList<SurveyRequest>& survey_fields();
SurveyRequest survey_request_of(const TrainConfig& config);

enum class PictureFault { kUnreadable, kBadCrop, kNoCaption, kSmall, kHeavyCrop, kDuplicate };

struct PictureWarning {
  PictureFault fault = PictureFault::kUnreadable;
  std::string text;  // a sentence, with the numbers or the reason

  bool operator==(const PictureWarning&) const = default;
};

struct SurveyedPicture {
  std::string path;
  std::string folder;  // of its concept
  std::string name;    // relative to the folder
  int64_t repeats = 1;
  bool used = true;  // false: max_train_samples leaves it out
  // Upright, in pixels; 0 where it cannot be read.
  int64_t width = 0;
  int64_t height = 0;
  int64_t scaled_width = 0;  // of the whole picture, at the scale of the training size
  int64_t scaled_height = 0;
  int64_t bucket_width = 0;  // what it is trained at
  int64_t bucket_height = 0;
  CropRectangle crop;  // what is trained on (of the first repeat), in the picture's own pixels
  std::optional<CropRectangle> drawn;  // the picture's .crop.json
  double area_lost = 0.0;              // share of the picture's area, 0 to 1
  std::string caption;                 // with which it is trained; "" where there is none
  std::string own_caption;             // "" where it has none
  std::string caption_source;          // "table", "sidecar", "prompt" or "none"
  std::vector<PictureWarning> warnings;
};

// A size that pictures are trained at.
struct BucketCount {
  int64_t width = 0;
  int64_t height = 0;
  int64_t examples = 0;  // an epoch: pictures times their repeats
  int64_t batches = 0;   // an epoch; of one size only, batches run on from epoch to epoch
};

struct DatasetReport {
  std::vector<SurveyedPicture> pictures;    // in the order in which a run takes them
  std::vector<BucketCount> buckets;         // by width and height, of the used pictures
  std::vector<std::string> notes;           // files that are not read, a sentence each
  std::vector<std::string> class_pictures;  // paths of those that are present
  int64_t class_pictures_needed = 0;        // 0 without prior preservation
  bool stopped = false;
};

// Thumbnails come as previews: row = the picture's number, column = 1 for those of the class, which
// are looked at where the run uses them, row_label = its path. A fault of the folder itself is
// thrown, a fault of a picture is a warning.
DatasetReport survey_dataset(const SurveyRequest& request, Progress& progress, std::stop_token stop,
                             SurveyCache* cache = nullptr);

// One picture without decoding it again: whether it is readable or a duplicate is not looked at.
SurveyedPicture survey_picture(const SurveyRequest& request, const std::string& folder,
                               const std::string& name);

// What a person did to a picture of a folder.
struct PictureEdit {
  enum class What { kCaption, kCrop };

  What what = What::kCaption;
  std::string folder;                 // the picture's, as in SurveyedPicture
  std::string name;                   // relative to the folder
  std::string caption;                // kCaption: its own; "": none
  std::optional<CropRectangle> crop;  // kCrop: absent: what the settings say

  bool operator==(const PictureEdit&) const = default;
};

// Saves it beside the picture (or in the table that the caption came from) and looks again.
SurveyedPicture edit_picture(const SurveyRequest& request, const PictureEdit& edit);

// Upright, its longer side at most `side`.
Image picture_preview(const std::string& path, int64_t side);

}  // namespace dorabooth
