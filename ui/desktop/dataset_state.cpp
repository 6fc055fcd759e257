// Lookups in the report, and the words for what is wrong with a picture.
#include "ui/desktop/dataset_state.h"

#include <algorithm>

namespace dorabooth {

const SurveyedPicture* find_picture(const DatasetState& dataset, const std::string& path) {
  if (!dataset.report) return nullptr;
  for (const SurveyedPicture& picture : dataset.report->pictures) {
    if (picture.path == path) return &picture;
  }
  return nullptr;
}

std::vector<const SurveyedPicture*> shown_pictures(const DatasetState& dataset) {
  std::vector<const SurveyedPicture*> shown;
  if (!dataset.report) return shown;
  for (const SurveyedPicture& picture : dataset.report->pictures) {
    if (!dataset.warnings_only || !picture.warnings.empty()) shown.push_back(&picture);
  }
  return shown;
}

size_t pictures_with_warnings(const DatasetReport& report) {
  return static_cast<size_t>(std::count_if(report.pictures.begin(), report.pictures.end(),
                                           [](const auto& p) { return !p.warnings.empty(); }));
}

const char* fault_word(PictureFault fault) {
  switch (fault) {
    case PictureFault::kUnreadable:
      return "unreadable";
    case PictureFault::kBadCrop:
      return "bad crop file";
    case PictureFault::kNoCaption:
      return "no caption";
    case PictureFault::kSmall:
      return "too small";
    case PictureFault::kHeavyCrop:
      return "heavy crop";
    case PictureFault::kDuplicate:
      return "duplicate";
  }
  return "";
}

}  // namespace dorabooth
