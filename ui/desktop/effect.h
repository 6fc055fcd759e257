// What reduce() wants done outside the state, as plain values; the EffectRunner does it and turns
// the results into actions and events.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "pipelines/analyze.h"
#include "pipelines/compare.h"
#include "pipelines/comparison_sheet.h"
#include "pipelines/convert.h"
#include "pipelines/inspect.h"
#include "pipelines/merge.h"
#include "pipelines/survey.h"
#include "pipelines/train.h"
#include "ui/desktop/file_action.h"
#include "ui/desktop/job_state.h"
#include "ui/desktop/picker_state.h"

namespace dorabooth {

// --- pipelines, each as its own job ---
struct RunTraining {
  TrainConfig config;
};
struct RunCompare {
  CompareRequest request;
};
struct RunMerge {
  MergeRequest request;
};
// What the merge would take, told by MergePlanned.
struct PlanMerge {
  MergeRequest request;
};
struct RunConvert {
  ConvertRequest request;
};
struct RunAnalyze {
  AnalyzeRequest request;
};
struct RunInspect {
  InspectRequest request;
};
struct RunSurvey {
  SurveyRequest request;
};
// What the run would take, told by ForecastMade.
struct ForecastTraining {
  TrainConfig config;
  std::string settings;  // the same as JSON text
};

// --- pictures of the dataset ---
struct SavePictureEdit {
  SurveyRequest request;
  PictureEdit edit;
};
struct EnlargePicture {
  std::string path;
  int64_t side = 0;
};

// Brings the columns that a run's checkpoints make.
struct ListCheckpoints {
  std::string folder;
};
// Brings the settings of a picture of ours.
struct ReadPicture {
  std::string path;
};
struct FindDrawn {
  CompareRequest request;
};
struct WriteComparison {
  ComparisonSheet sheet;
  std::string path;
};
struct CopyPicture {
  std::string from;
  std::string to;
};
// Frees the base that is kept between comparisons.
struct ReleaseBase {};

// --- time ---
enum class TimerId { kResample, kBaseUnused };
// Rings once; set again before that, it starts anew.
struct SetTimer {
  TimerId timer = TimerId::kResample;
  double seconds = 0;
};

// --- running jobs ---
struct StopJob {
  JobId job = JobId::kTrain;
};
struct PauseJob {
  JobId job = JobId::kTrain;
};
struct ResumeJob {
  JobId job = JobId::kTrain;
};

// --- files ---
struct LoadText {
  TextUse use = TextUse::kTrainConfig;
  std::string path;
  bool may_be_absent = false;  // then nothing is brought, and that is no error
};
// Written whole or not at all, after what was saved before it.
struct SaveText {
  std::string path;
  std::string text;
};
// Whether it holds a model or pictures.
struct LookAtFolder {
  std::string folder;
};
// A dropped picture: one of ours brings its settings, another one its folder.
struct LookAtPicture {
  std::string path;
};
struct ListFolder {
  std::string folder;
};

// --- the window ---
struct OpenFileDialog {
  FileQuestion question;
};
struct CopyToClipboard {
  std::string text;
};
struct CloseProgram {};

using Effect =
    std::variant<RunTraining, RunCompare, RunMerge, PlanMerge, RunConvert, RunAnalyze, RunInspect,
                 RunSurvey, StopJob, PauseJob, ResumeJob, LoadText, SaveText, ListFolder,
                 LookAtFolder, LookAtPicture, OpenFileDialog, CopyToClipboard, CloseProgram,
                 SavePictureEdit, EnlargePicture, ListCheckpoints, ReadPicture, FindDrawn,
                 WriteComparison, CopyPicture, ReleaseBase, SetTimer, ForecastTraining>;
using Effects = std::vector<Effect>;

}  // namespace dorabooth
