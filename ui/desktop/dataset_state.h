// What the Dataset window shows of the folder of pictures.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipelines/survey.h"

namespace dorabooth {

struct DatasetState {
  SurveyRequest request;                // of the survey that was begun last
  std::optional<DatasetReport> report;  // absent until a survey of this folder has ended
  std::map<std::string, std::shared_ptr<const Image>> thumbnails;  // by path
  std::string selected;                                            // path, "" for none
  std::shared_ptr<const Image> enlarged;                           // the selected picture
  std::string enlarged_path;

  double thumbnail_size = 9.0;  // side of a cell in heights of the font
  bool warnings_only = false;

  // Edits of the selected picture that are not saved yet.
  std::optional<std::string> typed_caption;
  std::optional<CropRectangle> dragged_crop;
  // Pictures that were edited while a survey was under way, which may have read them before.
  std::map<std::string, SurveyedPicture> edited;
};

// nullptr where the report has no such picture.
const SurveyedPicture* find_picture(const DatasetState& dataset, const std::string& path);
// In order; only those with warnings where that is asked for.
std::vector<const SurveyedPicture*> shown_pictures(const DatasetState& dataset);
size_t pictures_with_warnings(const DatasetReport& report);

// "too small", "duplicate", …
const char* fault_word(PictureFault fault);

}  // namespace dorabooth
