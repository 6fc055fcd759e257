// The paper's analysis of magnitude against direction (Liu et al. 2024, section 3.2) over adapters,
// the checkpoints of runs, and merged or fully trained models.
#pragma once

#include <stop_token>

#include "pipelines/progress.h"
#include "pipelines/reading_fields.h"
#include "src/adapter/weight_change.h"
#include "src/config/field_list.h"

namespace dorabooth {

struct AnalyzeRequest : ReadingOptions {
  std::string pretrained_model_name_or_path;  // W0
  std::optional<std::string> variant;
  std::vector<std::string> adapter_path;  // [NAME=]FILE[:strength]
  std::vector<std::string> run;           // [NAME=]FOLDER of a training: all its checkpoints
  std::vector<std::string> checkpoint;    // [NAME=]PATH[@STEP] of a whole model
  std::vector<std::string> target_modules = {"to_q", "to_k", "to_v"};  // the paper's
  std::string norm_axis = "both";                                      // output, input, both
  std::string strength_rule = "peft";
  std::optional<std::string> output_csv;
  std::vector<std::string> output_plot;       // .png or .svg (pipelines/analysis_chart.h)
  std::string plot_projections = "separate";  // separate, together
  std::string plot_axes = "own";              // own, shared
};

const FieldList<AnalyzeRequest>& analyze_fields();

struct LayerChange {
  std::string layer;  // "unet.….to_q"
  int64_t step = -1;  // of the checkpoint; -1 where none is known
  WeightChange output;
  WeightChange input;
};

struct LayerTrend {
  std::string layer;
  ChangeTrend output;
  ChangeTrend input;
};

struct ChangeSeries {
  std::string name;
  std::vector<LayerChange> records;  // by layer, then by step
  ChangeTrend output;                // over all records
  ChangeTrend input;
  std::vector<LayerTrend> layers;  // each over its steps
};

struct AnalyzeReport {
  std::vector<ChangeSeries> series;
  bool stopped = false;
};

AnalyzeReport analyze(const AnalyzeRequest& request, Progress& progress, std::stop_token stop);

}  // namespace dorabooth
