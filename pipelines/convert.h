// An adapter file written again for a named reader, whatever its spelling was; proved by replaying
// the readers' formulas on what was written.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <stop_token>

#include "pipelines/progress.h"
#include "pipelines/reader_verdict.h"
#include "pipelines/reading_fields.h"
#include "src/config/field_list.h"

namespace dorabooth {

struct ConvertRequest : ReadingOptions {
  std::string adapter_path;
  std::string to = "kohya-sgm";  // diffusers, peft, kohya, kohya-sgm, comfyui, lora-svd
  std::string pretrained_model_name_or_path;
  std::optional<std::string> variant;
  std::optional<std::string> output;      // a file
  std::optional<std::string> output_dir;  // of peft
  int64_t rank = 32;                      // of lora-svd
  bool verify = false;
};

const FieldList<ConvertRequest>& convert_fields();

struct ConvertReport {
  std::string path;
  std::string summary;  // "DoRA (output axis), 128 modules, from kohya's names"
  int64_t modules = 0;
  std::vector<std::string> ignored_keys;  // with ignore_unknown
  // lora-svd: ‖ΔW − BA‖/‖ΔW‖ over all layers, and the layer with the largest.
  std::optional<double> residual;
  double worst_residual = 0.0;
  std::string worst_layer;
  std::vector<ReaderVerdict> verdicts;  // with `verify`
  // No reader that it was written for is off, as far as their formulas are known.
  bool is_right = true;
  std::string verdicts_json = "[]";     // with every layer's error
  bool stopped = false;
};

// Atomic: what is there is replaced by a whole file. `adapter_path` may not be the output.
ConvertReport convert(const ConvertRequest& request, Progress& progress, std::stop_token stop);

}  // namespace dorabooth
