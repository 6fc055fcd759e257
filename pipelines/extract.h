// Adapters of a given rank out of what was trained otherwise: a fully trained model, or an adapter
// of another rank.
#pragma once

#include <stop_token>

#include "pipelines/progress.h"
#include "src/config/field_list.h"

namespace dorabooth {

struct ExtractRequest {
  std::string pretrained_model_name_or_path;  // W0
  std::optional<std::string> variant;
  std::string checkpoint;        // the trained model
  std::string adapter = "dora";  // or lora
  int64_t rank = 16;
  std::string dora_norm_axis = "output";
  std::vector<std::string> target_modules;  // absent: the attention projections of the UNet
  double least_change = 1e-6;  // layers that changed less, ‖W − W0‖/‖W0‖, are left out
  std::string output;
};

struct ResizeRequest {
  std::string pretrained_model_name_or_path;
  std::optional<std::string> variant;
  std::string adapter_path;
  int64_t rank = 16;
  std::string output;
};

const FieldList<ExtractRequest>& extract_fields();
const FieldList<ResizeRequest>& resize_fields();

struct FittedLayer {
  std::string module;
  int64_t rank = 0;
  double residual = 0.0;  // ‖W_adapter − W‖/‖W − W0‖ (Frobenius), W what it was made from
};

struct FitReport {
  std::string path;
  std::string kind;
  std::vector<FittedLayer> layers;
  double residual = 0.0;  // over all layers together
  int64_t unchanged = 0;  // target layers that the trained model left as they were
  bool stopped = false;
};

// LoRA: the truncated SVD of W − W0. DoRA: m = ‖W‖ by vectors, BA the truncated SVD of the change
// of direction at W0's lengths, ‖W0‖·W/‖W‖ − W0, so that only what the rank leaves out of the
// direction is lost.
FitReport extract(const ExtractRequest& request, Progress& progress, std::stop_token stop);

// The nearest update of another rank in every module, magnitudes and axis as they are.
FitReport resize(const ResizeRequest& request, Progress& progress, std::stop_token stop);

}  // namespace dorabooth
