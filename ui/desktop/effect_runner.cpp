#include "ui/desktop/effect_runner.h"

#include <algorithm>
#include <filesystem>

#include "pipelines/compare_grid.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "ui/desktop/reduce_window.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

std::string summary(const TrainReport& report) {
  const std::string steps = std::to_string(report.steps) + " steps";
  if (report.stopped) {
    return "stopped after " + steps +
           (report.checkpoint.empty() ? "" : "; goes on from " + report.checkpoint);
  }
  std::string text = "trained " + steps;
  for (const TrainedAdapter& adapter : report.adapters)
    text += "; " + adapter.name + ": " + adapter.path;
  if (report.diverged) text += "; the loss grew to over ten times its start";
  return text;
}

std::string summary(const CompareReport& report) {
  return (report.stopped ? "stopped after " : "drew ") + std::to_string(report.pictures.size()) +
         " pictures" + (report.sheet.empty() ? "" : ": " + report.sheet);
}

std::string summary(const MergeReport& report) {
  if (report.stopped) return "stopped";
  return concat(report.path, ": ", report.layers.size(),
                " layers merged, largest error of a layer's output ", report.largest_forward_error,
                " of its largest value");
}

std::string summary(const ConvertReport& report) {
  return report.stopped ? "stopped" : concat(report.path, ": ", report.summary);
}

std::string summary(const AnalyzeReport& report) {
  if (report.stopped) return "stopped";
  size_t points = 0;
  for (const ChangeSeries& series : report.series) points += series.records.size();
  return concat(points, " points of ", report.series.size(), " series");
}

std::string summary(const DatasetReport& report) {
  if (report.stopped) return "stopped";
  return concat(report.pictures.size(), " pictures, ", pictures_with_warnings(report),
                " with warnings");
}

std::vector<FolderEntry> list_folder(const std::string& folder) {
  std::vector<FolderEntry> entries;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    std::string name = entry.path().filename().string();
    std::error_code ignored;
    if (name.front() != '.') entries.push_back({std::move(name), entry.is_directory(ignored)});
  }
  std::sort(entries.begin(), entries.end(), [](const FolderEntry& a, const FolderEntry& b) {
    return a.folder != b.folder ? a.folder : a.name < b.name;
  });
  return entries;
}

// As diffusers and PEFT name their folders' files.
bool holds_model(const fs::path& folder) {
  if (!fs::is_directory(folder)) return false;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const fs::path name = entry.path().filename();
    if (name == "model_index.json" || name == "adapter_config.json" ||
        name.extension() == ".safetensors")
      return true;
  }
  return false;
}

void save(const SaveText& file) {
  const fs::path folder = fs::path(file.path).parent_path();
  if (!folder.empty()) fs::create_directories(folder);
  write_file_atomically(file.path, file.text);
}

}  // namespace

EffectRunner::EffectRunner(Pipelines pipelines, WindowCalls window,
                           std::unique_ptr<FileDialogs> dialogs)
    : pipelines_(std::move(pipelines)),
      window_(std::move(window)),
      dialogs_(std::move(dialogs)),
      mailbox_(window_.wake),
      files_(mailbox_) {}

EffectRunner::~EffectRunner() {
  for (auto& [id, job] : jobs_) job->request_stop();
}

Job* EffectRunner::job(JobId id) {
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? nullptr : found->second.get();
}

void EffectRunner::start(JobId id, Job::Work work) {
  if (Job* running = job(id); running && !running->done())
    fail("a job of this kind is still running");
  jobs_[id] = std::make_unique<Job>(std::move(work), window_.wake);
}

void EffectRunner::run(const Effect& effect) {
  std::visit(Overloaded{
                 [&](const OpenFileDialog& open) {
                   if (dialogs_ && dialogs_->available()) {
                     dialogs_->open(open.question);
                   } else {
                     mailbox_.post(FileAction(PickerOpened{open.question}));
                   }
                 },
                 [&](const CopyToClipboard& copy) {
                   if (window_.copy) window_.copy(copy.text);
                 },
                 [&](const CloseProgram&) {
                   if (window_.close) window_.close();
                 },
                 [&](const auto&) {
                   start_pipeline(effect);
                   control(effect);
                   run_files(effect);
                   run_pictures(effect);
                   run_compare_files(effect);
                 },
             },
             effect);
}

void EffectRunner::start_pipeline(const Effect& effect) {
  std::visit(Overloaded{
                 [&](const RunTraining& run) {
                   start(JobId::kTrain,
                         [f = pipelines_.train, run](Progress& p, std::stop_token stop) {
                           return summary(f(run.config, p, stop));
                         });
                 },
                 [&](const RunCompare& run) {
                   start(JobId::kCompare,
                         [f = pipelines_.compare, run](Progress& p, std::stop_token stop) {
                           return summary(f(run.request, p, stop));
                         });
                 },
                 [&](const RunMerge& run) {
                   start(JobId::kMerge,
                         [this, f = pipelines_.merge, run](Progress& p, std::stop_token stop) {
                           const MergeReport report = f(run.request, p, stop);
                           mailbox_.post(ExportAction(MergeDone{report}));
                           return summary(report);
                         });
                 },
                 [&](const PlanMerge& plan) {
                   files_.add([this, f = pipelines_.plan_merge, plan] {
                     mailbox_.post(ExportAction(MergePlanned{f(plan.request)}));
                   });
                 },
                 [&](const RunConvert& run) {
                   start(JobId::kConvert,
                         [this, f = pipelines_.convert, run](Progress& p, std::stop_token stop) {
                           const ConvertReport report = f(run.request, p, stop);
                           mailbox_.post(ConvertAction(ConvertDone{report}));
                           return summary(report);
                         });
                 },
                 [&](const RunAnalyze& run) {
                   start(JobId::kAnalyze,
                         [this, f = pipelines_.analyze, run](Progress& p, std::stop_token stop) {
                           const AnalyzeReport report = f(run.request, p, stop);
                           mailbox_.post(AnalyzeAction(AnalyzeDone{report}));
                           return summary(report);
                         });
                 },
                 [&](const RunInspect& run) {
                   start(JobId::kInspect,
                         [this, f = pipelines_.inspect, run](Progress& p, std::stop_token stop) {
                           const InspectReport report = f(run.request, p, stop);
                           mailbox_.post(InspectAction(FileInspected{run.request, report}));
                           return std::string();
                         });
                 },
                 [&](const RunSurvey& run) {
                   start(JobId::kDataset,
                         [this, f = pipelines_.survey, run](Progress& p, std::stop_token stop) {
                           const DatasetReport report = f(run.request, p, stop);
                           mailbox_.post(DatasetAction(DatasetSurveyed{run.request, report}));
                           return summary(report);
                         });
                 },
                 [](const auto&) {},
             },
             effect);
}

void EffectRunner::control(const Effect& effect) {
  std::visit(Overloaded{
                 [&](const StopJob& stop) {
                   if (Job* running = job(stop.job)) running->request_stop();
                 },
                 [&](const PauseJob& pause) {
                   if (Job* running = job(pause.job)) running->pause();
                 },
                 [&](const ResumeJob& resume) {
                   if (Job* running = job(resume.job)) running->resume();
                 },
                 [](const auto&) {},
             },
             effect);
}

void EffectRunner::run_pictures(const Effect& effect) {
  std::visit(Overloaded{
                 [&](const SavePictureEdit& save) {
                   files_.add([this, f = pipelines_.edit_picture, save] {
                     try {
                       mailbox_.post(DatasetAction(PictureEdited{f(save.request, save.edit)}));
                     } catch (const std::exception&) {
                       mailbox_.post(DatasetAction(PictureEditFailed{}));
                       throw;
                     }
                   });
                 },
                 [&](const ForecastTraining& run) {
                   if (!pipelines_.forecast) return;
                   files_.add([this, f = pipelines_.forecast, run] {
                     std::string text;
                     try {
                       text = f(run.config);
                     } catch (const std::exception& error) {
                       text = error.what();
                     }
                     mailbox_.post(TrainAction(ForecastMade{run.settings, text}));
                   });
                 },
                 [&](const EnlargePicture& one) {
                   files_.add([this, f = pipelines_.picture_preview, one] {
                     const auto image = std::make_shared<const Image>(f(one.path, one.side));
                     mailbox_.post(DatasetAction(PictureEnlarged{one.path, image}));
                   });
                 },
                 [](const auto&) {},
             },
             effect);
}

void EffectRunner::run_files(const Effect& effect) {
  std::visit(
      Overloaded{
          [&](const LoadText& load) {
            files_.add([this, load] {
              if (load.may_be_absent && !fs::exists(load.path)) return;
              mailbox_.post(FileAction(TextLoaded{load.use, load.path, read_file(load.path)}));
            });
          },
          [&](const SaveText& file) { files_.add([file] { save(file); }); },
          [&](const LookAtFolder& look) {
            files_.add([this, look] {
              mailbox_.post(FileAction(FolderLooked{look.folder, holds_model(look.folder)}));
            });
          },
          [&](const LookAtPicture& look) {
            files_.add([this, f = pipelines_.request_of_picture, look] {
              SampleRequest request;
              try {
                request = f(look.path);
              } catch (const std::exception& error) {
                return mailbox_.post(FileAction(ForeignPictureFound{look.path, error.what()}));
              }
              const bool found = fs::exists(request.pretrained_model_name_or_path);
              mailbox_.post(CompareAction(PictureTaken{request, found}));
            });
          },
          [&](const ListFolder& list) {
            files_.add([this, list] {
              mailbox_.post(FileAction(FolderListed{list.folder, list_folder(list.folder)}));
            });
          },
          [](const auto&) {},
      },
      effect);
}

void EffectRunner::run_compare_files(const Effect& effect) {
  std::visit(
      Overloaded{
          [&](const ListCheckpoints& list) {
            files_.add([this, list] {
              mailbox_.post(CompareAction(CheckpointsFound{checkpoint_columns(list.folder)}));
            });
          },
          [&](const ReadPicture& read) {
            files_.add([this, f = pipelines_.request_of_picture, read] {
              const SampleRequest request = f(read.path);
              const bool found = fs::exists(request.pretrained_model_name_or_path);
              mailbox_.post(CompareAction(PictureTaken{request, found}));
            });
          },
          [&](const FindDrawn& find) {
            if (!pipelines_.drawn_cells) return;
            files_.add([this, f = pipelines_.drawn_cells, find] {
              mailbox_.post(CompareAction(DrawnFound{find.request, f(find.request)}));
            });
          },
          [&](const WriteComparison& write) {
            files_.add([this, f = pipelines_.write_comparison, write] {
              f(write.sheet, write.path);
              mailbox_.post(CompareAction(ComparisonSaved{write.path}));
            });
          },
          [&](const CopyPicture& copy) {
            files_.add([copy] {
              fs::create_directories(fs::path(copy.to).parent_path());
              write_file_atomically(copy.to, read_file(copy.from));
            });
          },
          [&](const ReleaseBase&) {
            if (pipelines_.release_base) files_.add(pipelines_.release_base);
          },
          [&](const SetTimer& timer) { timers_.set(timer); },
          [](const auto&) {},
      },
      effect);
}

void EffectRunner::poll(const std::function<void(JobId, const Event&)>& on_event,
                        const std::function<void(const Action&)>& on_action) {
  files_.poll();
  for (auto& [id, job] : jobs_) {
    for (const Event& event : job->drain()) on_event(id, event);
  }
  for (const Action& action : mailbox_.take()) on_action(action);
  for (const TimerId timer : timers_.take())
    on_action(timer == TimerId::kResample ? CompareAction(ResampleDue{})
                                          : CompareAction(BaseUnused{}));
  if (!dialogs_) return;
  if (const auto answer = dialogs_->poll())
    on_action(FileAction(FileChosen{answer->question, answer->path}));
}

}  // namespace dorabooth
