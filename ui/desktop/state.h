// Everything that the windows show, as plain values. Only reduce() changes it.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "ui/desktop/analyze_state.h"
#include "ui/desktop/closing_state.h"
#include "ui/desktop/compare_state.h"
#include "ui/desktop/convert_state.h"
#include "ui/desktop/dataset_state.h"
#include "ui/desktop/export_state.h"
#include "ui/desktop/form_state.h"
#include "ui/desktop/inspect_state.h"
#include "ui/desktop/job_state.h"
#include "ui/desktop/log_state.h"
#include "ui/desktop/picker_state.h"
#include "ui/desktop/project.h"
#include "ui/desktop/settings.h"
#include "ui/desktop/train_state.h"
#include "ui/desktop/undo.h"
#include "ui/desktop/window_id.h"

namespace dorabooth {

// Where the program's own files are; set once at the start.
struct Places {
  std::string assets;       // the bundled base, pictures and fonts
  std::string configs;      // the presets
  std::string user_config;  // settings.json, the auto-saved project, the layout
  std::string home;         // where the built-in picker begins
  std::string results;      // where new runs go unless told otherwise
};

struct State {
  Project project;
  std::string project_path;  // where the project is kept, always up to date
  Settings settings;
  Places places;

  std::array<FormState, 5> forms;  // by FormId
  FormState& form(FormId id) { return forms[static_cast<size_t>(id)]; }
  const FormState& form(FormId id) const { return forms[static_cast<size_t>(id)]; }

  DatasetState dataset;
  TrainState train;
  CompareState compare;
  ExportState export_;
  ConvertState convert;
  AnalyzeState analyze;
  InspectState inspect;
  LogState log;
  PickerState picker;
  JobStates jobs;
  Undo undo;

  std::array<bool, kWindowCount> window_open = all_windows_open();
  Closing closing = Closing::kNo;
  std::optional<WindowId> focus;  // to be brought to the front by the next frame
  bool layout_reset = false;      // the next frame lays the windows out anew
};

}  // namespace dorabooth
