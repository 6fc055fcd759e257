// The bundled base, adapters with random numbers for it, and a Progress that keeps what it is told.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "pipelines/progress.h"
#include "src/adapter/adapter_file.h"
#include "src/base/atomic_file.h"
#include "src/device/adapter_core_choice.h"
#include "src/model/assets.h"
#include "src/model/bundle.h"

namespace dorabooth::testing {

inline std::string base_path() { return asset_path("base").string(); }

// Large enough numbers that a picture looks different.
inline std::string write_random_adapter(const std::filesystem::path& path, const std::string& kind,
                                        bool text_encoders, uint64_t seed) {
  const SdxlBundle bundle = load_bundle(base_path(), LoadOptions());
  AdapterSpec spec;
  spec.kind = kind;
  spec.rank = 2;
  spec.target_modules = default_target_modules(text_encoders);
  AdapterSet set =
      AdapterSet::create(spec, bundle.linear_layers(), seed, adapter_core(bundle.device));
  const at::NoGradGuard no_grad;
  for (AdapterParameter& parameter : set.parameters()) {
    if (parameter.name.ends_with(".B")) parameter.value.fill_(0.05);
  }
  write_diffusers_adapter(path, set, {});
  return path.string();
}

// Collects events; asks to stop at a step if told.
class Recorder : public Progress {
 public:
  void on(const Event& event) override {
    events.push_back(event);
    if (const auto* step = std::get_if<StepEvent>(&event)) {
      if (step->step == stop_at) stop.request_stop();
    }
  }

  template <typename T>
  std::vector<T> all() const {
    std::vector<T> result;
    for (const Event& event : events) {
      if (const T* one = std::get_if<T>(&event)) result.push_back(*one);
    }
    return result;
  }

  std::vector<Event> events;
  std::stop_source stop;
  int64_t stop_at = -1;
};

}  // namespace dorabooth::testing
