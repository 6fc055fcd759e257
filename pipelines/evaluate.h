// The denoising loss of base and adapters over a folder of captioned pictures, at fixed noise and
// timesteps: the same draws for every column, so that differences are the adapters'.
#pragma once

#include <stop_token>

#include "pipelines/model_options.h"
#include "pipelines/progress.h"
#include "pipelines/reading_fields.h"

namespace dorabooth {

struct EvaluateRequest : ModelOptions, ReadingOptions {
  std::string instance_data_dir;
  std::optional<std::string> instance_prompt;
  std::optional<std::string> caption_column;
  std::vector<std::string> adapter_path;  // [NAME=]FILE[:strength]
  std::vector<std::string> embedding;     // [NAME=]FILE[:token=TOK], NAME base or an adapter's
  std::string strength_rule = "peft";
  std::optional<int64_t> clip_skip;
  int64_t resolution = 1024;
  int64_t num_timesteps = 10;  // stratified over the noise schedule, for every picture
  int64_t seed = 0;
  int64_t batch_size = 8;
  bool by_timestep = false;  // the table too, not the JSON alone, has every timestep's loss
  // False where the caller knows the base's loss: then it has no row, and relative_to_base is 0.
  // No setting.
  bool with_base = true;
};

const FieldList<EvaluateRequest>& evaluate_fields();

struct EvaluateRow {
  std::string name;  // "base" or the adapter's name
  double loss = 0.0;
  double relative_to_base = 0.0;  // loss/base − 1
  std::vector<double> loss_by_timestep;
};

struct EvaluateReport {
  std::vector<EvaluateRow> rows;
  int64_t pictures = 0;
  std::vector<int64_t> timesteps;
  bool stopped = false;
};

EvaluateReport evaluate(const EvaluateRequest& request, Progress& progress, std::stop_token stop);

}  // namespace dorabooth
