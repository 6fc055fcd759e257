// Does what reduce() asked for: runs pipelines and file work on jobs, opens dialogs, and hands
// their results back as events and actions. Lives on the main thread and never waits.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "pipelines/job.h"
#include "ui/desktop/action.h"
#include "ui/desktop/action_mailbox.h"
#include "ui/desktop/effect.h"
#include "ui/desktop/file_queue.h"
#include "ui/desktop/timers.h"
#include "ui/desktop/widgets/file_dialog.h"

namespace dorabooth {

// The pipelines that jobs run, on the job's thread. The program gives the real ones, tests their
// own.
struct Pipelines {
  template <typename Request, typename Report>
  using Pipeline = std::function<Report(const Request&, Progress&, std::stop_token)>;

  Pipeline<TrainConfig, TrainReport> train;
  Pipeline<CompareRequest, CompareReport> compare;
  Pipeline<MergeRequest, MergeReport> merge;
  std::function<MergePlan(const MergeRequest&)> plan_merge;
  Pipeline<ConvertRequest, ConvertReport> convert;
  Pipeline<AnalyzeRequest, AnalyzeReport> analyze;
  Pipeline<InspectRequest, InspectReport> inspect;
  Pipeline<SurveyRequest, DatasetReport> survey;
  std::function<SurveyedPicture(const SurveyRequest&, const PictureEdit&)> edit_picture;
  std::function<std::string(const TrainConfig&)> forecast;  // for people
  std::function<Image(const std::string& path, int64_t side)> picture_preview;
  std::function<SampleRequest(const std::string& picture)> request_of_picture;
  std::function<std::vector<DrawnCell>(const CompareRequest&)> drawn_cells;
  std::function<void(const ComparisonSheet&, const std::string& path)> write_comparison;
  std::function<void()> release_base;
};

// What only the window can do.
struct WindowCalls {
  std::function<void()> wake;  // called on any thread: something is there to be polled
  std::function<void(const std::string&)> copy;
  std::function<void()> close;
};

class EffectRunner {
 public:
  // `dialogs` may be null: the built-in picker asks then.
  EffectRunner(Pipelines pipelines, WindowCalls window, std::unique_ptr<FileDialogs> dialogs);
  // Stops the jobs, waits for them, and writes what was still to be saved.
  ~EffectRunner();

  void run(const Effect& effect);

  // Hands over everything that came since the last call, in order.
  void poll(const std::function<void(JobId, const Event&)>& on_event,
            const std::function<void(const Action&)>& on_action);
  // Until a timer rings: poll again then.
  double seconds_to_timer() const { return timers_.seconds_to_next(); }

 private:
  void start(JobId id, Job::Work work);
  void start_pipeline(const Effect& effect);
  void control(const Effect& effect);
  void run_files(const Effect& effect);
  void run_pictures(const Effect& effect);
  void run_compare_files(const Effect& effect);
  Job* job(JobId id);

  Pipelines pipelines_;
  WindowCalls window_;
  std::unique_ptr<FileDialogs> dialogs_;
  ActionMailbox mailbox_;
  FileQueue files_;
  std::map<JobId, std::unique_ptr<Job>> jobs_;
  Timers timers_;
};

}  // namespace dorabooth
