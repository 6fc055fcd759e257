// A device is opened on the job's thread, at the first job: the window is there before.
#include "ui/desktop/shell/pipelines.h"

#include <memory>

#include "pipelines/analyze.h"
#include "pipelines/compare.h"
#include "pipelines/comparison_sheet.h"
#include "pipelines/convert.h"
#include "pipelines/drawn_cells.h"
#include "pipelines/forecast.h"
#include "pipelines/inspect.h"
#include "pipelines/merge.h"
#include "pipelines/sample.h"
#include "pipelines/survey.h"
#include "pipelines/train.h"
#include "src/device/device.h"
#include "ui/desktop/shell/kept_base.h"

namespace dorabooth {

namespace {

// The first torch call decides for the whole process whether CUDA can be used: it is opened before
// a job that needs only the CPU, for the jobs after it.
void open_devices(const std::string& device) {
  open_device("auto");
  open_device(device);
}

}  // namespace

Pipelines desktop_pipelines() {
  Pipelines pipelines;
  const auto base = std::make_shared<KeptBase>();
  pipelines.train = [base](const TrainConfig& config, Progress& progress, std::stop_token stop) {
    open_devices(config.device);
    const KeptBase::Pause pause(*base);
    return train(config, progress, stop);
  };
  pipelines.compare = [base](const CompareRequest& request, Progress& progress,
                             std::stop_token stop) {
    open_devices(request.device);
    return base->draw(request, progress, stop);
  };
  pipelines.release_base = [base] { base->release(); };
  pipelines.request_of_picture = request_of_picture;
  pipelines.drawn_cells = drawn_cells;
  pipelines.write_comparison = [](const ComparisonSheet& sheet, const std::string& path) {
    write_comparison_sheet(sheet, path);
  };
  pipelines.merge = [](const MergeRequest& request, Progress& progress, std::stop_token stop) {
    open_devices("cpu");
    return merge(request, progress, stop);
  };
  pipelines.plan_merge = [](const MergeRequest& request) {
    open_devices("cpu");
    return plan_merge(request);
  };
  pipelines.convert = [](const ConvertRequest& request, Progress& progress, std::stop_token stop) {
    open_devices("cpu");
    return convert(request, progress, stop);
  };
  pipelines.analyze = [](const AnalyzeRequest& request, Progress& progress, std::stop_token stop) {
    open_devices("cpu");
    return analyze(request, progress, stop);
  };
  pipelines.inspect = [](const InspectRequest& request, Progress& progress, std::stop_token stop) {
    open_devices("cpu");
    return inspect(request, progress, stop);
  };
  pipelines.survey = [cache = std::make_shared<SurveyCache>()](
                         const SurveyRequest& request, Progress& progress, std::stop_token stop) {
    return survey_dataset(request, progress, std::move(stop), cache.get());
  };
  pipelines.edit_picture = edit_picture;
  pipelines.forecast = [](const TrainConfig& config) {
    open_devices(config.device);
    const RunForecast forecast = forecast_training(config);
    std::string text = forecast_text(forecast);
    if (!forecast.fits()) {
      text += forecast.smallest_change.empty()
                  ? "It does not fit, and no setting makes it fit."
                  : "It does not fit. The smallest change that does: " + forecast.smallest_change;
    }
    return text;
  };
  pipelines.picture_preview = picture_preview;
  return pipelines;
}

}  // namespace dorabooth
