// The folder of pictures: its survey, the selection, and edits of captions and crops, which are
// steps of undo like those of settings.
#include <algorithm>

#include "ui/desktop/reduce_window.h"

namespace dorabooth {

namespace {

constexpr int64_t kEnlargedSide = 1024;

SurveyedPicture* selected_picture(DatasetState& dataset) {
  return const_cast<SurveyedPicture*>(find_picture(dataset, dataset.selected));
}

Effects begin_survey(State& state) {
  DatasetState& dataset = state.dataset;
  const SurveyRequest wanted = survey_request_of(state.project.train);
  if (wanted.instance_data_dir != dataset.request.instance_data_dir) {
    dataset.report.reset();
    dataset.thumbnails.clear();
    dataset.selected.clear();
    dataset.enlarged.reset();
    dataset.typed_caption.reset();
    dataset.dragged_crop.reset();
  }
  dataset.edited.clear();
  dataset.request = wanted;
  begin_job(state, JobId::kDataset);
  return {RunSurvey{wanted}};
}

Effects read(State& state) {
  JobState& job = state.jobs[JobId::kDataset];
  if (state.project.train.instance_data_dir.empty()) return {};
  if (!job.active()) return begin_survey(state);
  if (job.phase != JobState::Phase::kRunning ||
      survey_request_of(state.project.train) == state.dataset.request)
    return {};
  job.phase = JobState::Phase::kStopping;
  return {StopJob{JobId::kDataset}};
}

Effects enlarge(const std::string& path) {
  if (path.empty()) return {};
  return {EnlargePicture{path, kEnlargedSide}};
}

// What was wrong with the file itself is not looked at again after an edit.
void keep_file_faults(SurveyedPicture& picture, const SurveyedPicture& before) {
  for (const PictureWarning& warning : before.warnings) {
    const bool of_file =
        warning.fault == PictureFault::kUnreadable || warning.fault == PictureFault::kDuplicate;
    const bool there = std::find(picture.warnings.begin(), picture.warnings.end(), warning) !=
                       picture.warnings.end();
    if (of_file && !there) picture.warnings.push_back(warning);
  }
}

void put_picture(DatasetState& dataset, SurveyedPicture picture) {
  if (!dataset.report) return;
  for (SurveyedPicture& old : dataset.report->pictures) {
    if (old.path != picture.path) continue;
    keep_file_faults(picture, old);
    old = std::move(picture);
    return;
  }
}

Effects take_report(State& state, const DatasetSurveyed& surveyed) {
  DatasetState& dataset = state.dataset;
  if (surveyed.report.stopped || surveyed.request != dataset.request) return {};
  dataset.report = surveyed.report;
  for (auto& [path, picture] : std::exchange(dataset.edited, {})) put_picture(dataset, picture);
  if (find_picture(dataset, dataset.selected))
    return dataset.enlarged_path == dataset.selected ? Effects() : enlarge(dataset.selected);
  dataset.selected = dataset.report->pictures.empty() ? "" : dataset.report->pictures[0].path;
  return enlarge(dataset.selected);
}

PictureEdit edit_of(const SurveyedPicture& picture, PictureEdit::What what) {
  PictureEdit edit;
  edit.what = what;
  edit.folder = picture.folder;
  edit.name = picture.name;
  return edit;
}

Effects change(State& state, const PictureEdit& before, const PictureEdit& after) {
  state.undo.remember({before, after});
  return save_picture_edit(state, after);
}

Effects end_caption(State& state) {
  const auto typed = std::exchange(state.dataset.typed_caption, std::nullopt);
  SurveyedPicture* picture = selected_picture(state.dataset);
  if (!typed || !picture || *typed == picture->own_caption) return {};
  PictureEdit before = edit_of(*picture, PictureEdit::What::kCaption);
  PictureEdit after = before;
  before.caption = picture->own_caption;
  after.caption = *typed;
  picture->own_caption = *typed;  // until the edit comes back
  return change(state, before, after);
}

Effects set_crop(State& state, SurveyedPicture& picture, const std::optional<CropRectangle>& crop) {
  if (crop == picture.drawn) return {};
  PictureEdit before = edit_of(picture, PictureEdit::What::kCrop);
  PictureEdit after = before;
  before.crop = picture.drawn;
  after.crop = crop;
  picture.drawn = crop;
  if (crop) picture.crop = *crop;
  return change(state, before, after);
}

Effects end_crop(State& state) {
  const auto dragged = std::exchange(state.dataset.dragged_crop, std::nullopt);
  SurveyedPicture* picture = selected_picture(state.dataset);
  if (!dragged || !picture || *dragged == picture->crop) return {};
  return set_crop(state, *picture, dragged);
}

Effects select(State& state, const std::string& path) {
  if (path == state.dataset.selected) return {};
  Effects effects = end_caption(state);
  for (Effect& effect : end_crop(state)) effects.push_back(std::move(effect));
  state.dataset.selected = path;
  for (Effect& effect : enlarge(path)) effects.push_back(std::move(effect));
  return effects;
}

}  // namespace

Effects save_picture_edit(State& state, const PictureEdit& edit) {
  return {SavePictureEdit{state.dataset.request, edit}};
}

Effects reduce_dataset(State& state, const DatasetAction& action) {
  DatasetState& dataset = state.dataset;
  return std::visit(
      Overloaded{
          [&](const ReadDataset&) { return read(state); },
          [&](const StopReading&) -> Effects {
            if (state.jobs[JobId::kDataset].phase != JobState::Phase::kRunning) return {};
            state.jobs[JobId::kDataset].phase = JobState::Phase::kStopping;
            return {StopJob{JobId::kDataset}};
          },
          [&](const DatasetSurveyed& surveyed) { return take_report(state, surveyed); },
          [&](const SetThumbnailSize& set) -> Effects {
            dataset.thumbnail_size = set.size;
            return {};
          },
          [&](const ShowWarningsOnly& show) -> Effects {
            dataset.warnings_only = show.on;
            return {};
          },
          [&](const SelectPicture& one) { return select(state, one.path); },
          [&](const PictureEnlarged& enlarged) -> Effects {
            if (enlarged.path != dataset.selected) return {};
            dataset.enlarged = enlarged.image;
            dataset.enlarged_path = enlarged.path;
            return {};
          },
          [&](const TypeCaption& typed) -> Effects {
            dataset.typed_caption = typed.text;
            return {};
          },
          [&](const EndCaption&) { return end_caption(state); },
          [&](const DragCrop& drag) -> Effects {
            dataset.dragged_crop = drag.crop;
            return {};
          },
          [&](const EndCrop&) { return end_crop(state); },
          [&](const ResetCrop&) -> Effects {
            dataset.dragged_crop.reset();
            SurveyedPicture* picture = selected_picture(dataset);
            return picture ? set_crop(state, *picture, std::nullopt) : Effects();
          },
          [&](const PictureEdited& edited) -> Effects {
            put_picture(dataset, edited.picture);
            if (state.jobs[JobId::kDataset].active())
              dataset.edited[edited.picture.path] = edited.picture;
            return {};
          },
          // The window shows what was asked for and not what is there: it reads the folder again.
          [&](const PictureEditFailed&) -> Effects {
            dataset.request.thumbnail_size = 0;
            return {};
          },
      },
      action);
}

void reduce_dataset_event(State& state, const Event& event) {
  // Also of a survey that is being stopped: the next one of this folder does not tell it again.
  const auto* preview = std::get_if<PreviewEvent>(&event);
  if (!preview) return;
  state.dataset.thumbnails[preview->row_label] = std::make_shared<const Image>(preview->image);
}

}  // namespace dorabooth
