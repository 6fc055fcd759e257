// Actions of the Train window.
#pragma once

#include <string>
#include <variant>

namespace dorabooth {

struct StartTraining {};
struct PauseTraining {};
struct ResumeTraining {};
struct StopTraining {};
// Goes on with the run that did not end, from its last checkpoint.
struct ContinueRun {};
// Forgets that run.
struct AbandonRun {};
// A file in configs/: the settings, not the base, the pictures or the folder of results that were
// already chosen.
struct LoadPreset {
  std::string path;
};
struct SetSmoothing {
  double smoothing = 0.0;
};
struct SetLogScale {
  bool on = false;
};

// What the settings would take, asked for when the window shows it.
struct AskForForecast {};
// Of the settings in this JSON text.
struct ForecastMade {
  std::string settings;
  std::string text;
};

using TrainAction =
    std::variant<StartTraining, PauseTraining, ResumeTraining, StopTraining, ContinueRun,
                 AbandonRun, LoadPreset, SetSmoothing, SetLogScale, AskForForecast, ForecastMade>;

}  // namespace dorabooth
