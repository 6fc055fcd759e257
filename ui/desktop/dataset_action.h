// Actions of the Dataset window.
#pragma once

#include <memory>
#include <string>
#include <variant>

#include "pipelines/survey.h"

namespace dorabooth {

// --- the folder ---
// Surveys it with the settings as they are; a survey with other settings is stopped first.
struct ReadDataset {};
struct StopReading {};
struct DatasetSurveyed {
  SurveyRequest request;
  DatasetReport report;
};
struct SetThumbnailSize {
  double size = 0.0;
};
struct ShowWarningsOnly {
  bool on = false;
};

// --- the selected picture ---
struct SelectPicture {
  std::string path;
};
struct PictureEnlarged {
  std::string path;
  std::shared_ptr<const Image> image;
};
struct TypeCaption {
  std::string text;
};
// The field was left: the caption is saved.
struct EndCaption {};
struct DragCrop {
  CropRectangle crop;
};
// The mouse button or the field was let go: the crop is saved.
struct EndCrop {};
struct ResetCrop {};

// --- what became of an edit ---
struct PictureEdited {
  SurveyedPicture picture;
};
struct PictureEditFailed {};

using DatasetAction =
    std::variant<ReadDataset, StopReading, DatasetSurveyed, SetThumbnailSize, ShowWarningsOnly,
                 SelectPicture, PictureEnlarged, TypeCaption, EndCaption, DragCrop, EndCrop,
                 ResetCrop, PictureEdited, PictureEditFailed>;

}  // namespace dorabooth
