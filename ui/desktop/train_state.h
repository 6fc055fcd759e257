// What the Train window shows beside the settings: the curves of the run.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace dorabooth {

struct Curve {
  std::vector<double> steps;
  std::vector<double> values;
};

struct TrainState {
  std::map<std::string, Curve> curves;  // by the step event's names: "loss/lora", "lr", …
  double smoothing = 0.9;               // weight of what came before; 0: raw
  bool log_scale = false;
};

}  // namespace dorabooth
