// The parts of reduce(), one .cpp a window.
#pragma once

#include "ui/desktop/reduce.h"

namespace dorabooth {

Effects reduce_app(State& state, const AppAction& action);
Effects reduce_form(State& state, const FormAction& action);
Effects reduce_file(State& state, const FileAction& action);
Effects reduce_start(State& state, const StartAction& action);
Effects reduce_dataset(State& state, const DatasetAction& action);
Effects reduce_train(State& state, const TrainAction& action);
Effects reduce_compare(State& state, const CompareAction& action);
void reduce_compare_columns(State& state, const CompareAction& action);
Effects reduce_export(State& state, const ExportAction& action);
Effects reduce_convert(State& state, const ConvertAction& action);
Effects reduce_analyze(State& state, const AnalyzeAction& action);
Effects reduce_inspect(State& state, const InspectAction& action);

// What a job's events change beside its JobState, which reduce() keeps itself.
void reduce_train_event(State& state, const Event& event);
void reduce_dataset_event(State& state, const Event& event);
Effects reduce_compare_event(State& state, const Event& event);

// Writes it beside the picture; PictureEdited brings what it has become.
Effects save_picture_edit(State& state, const PictureEdit& edit);

void show_window(State& state, WindowId window);
// A job of this kind is about to run.
void begin_job(State& state, JobId job);
// "train", "compare", …
const char* job_text(JobId job);
// Another heavy job is in the way, which a notice says.
bool is_refused(State& state, JobId wanted);
// A heavy job has ended: the program may have waited for that to close.
Effects close_after_job(State& state, bool failed);

// Calls the lambda that fits the struct in the variant.
template <typename... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <typename... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

}  // namespace dorabooth
