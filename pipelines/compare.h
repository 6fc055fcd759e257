// The same prompts and seeds through base and adapters: a labelled contact sheet and the single
// pictures.
#pragma once

#include <stop_token>

#include "pipelines/model_options.h"
#include "pipelines/progress.h"
#include "pipelines/reading_fields.h"
#include "pipelines/resident_base.h"

namespace dorabooth {

struct CompareRequest : ModelOptions, SamplingOptions, ReadingOptions {
  std::vector<std::string> prompt;
  std::optional<std::string> prompts_file;  // one prompt a line
  std::vector<int64_t> seed = {0};
  std::vector<std::string> column;             // NAME=FILE[:strength]; "base" always stands first
  std::vector<std::string> embedding;          // [COLUMN=]FILE[:token=TOK]
  std::vector<double> sweep_strength;          // each column at each of these instead
  std::vector<std::string> sweep_checkpoints;  // folders of runs: a column for each checkpoint
  std::string output = "sheet.png";            // or .html
  bool reuse = false;
  std::vector<std::string> only_column;  // names; empty: all
};

const FieldList<CompareRequest>& compare_fields();

struct CompareReport {
  std::string sheet;                  // "" if it was stopped before the first picture
  std::vector<std::string> pictures;  // <output stem>/row-seed-column.png, kept ones too
  int64_t kept = 0;                   // of them, not drawn again
  bool stopped = false;
};

// Rows are prompts × seeds; within a row every column starts from the same noise. One base in
// memory. The single pictures can be drawn again by sample's `from`. Stopped: the sheet has what
// was drawn. With `reuse`, previews of the pictures that are kept come first, before the
// StartedEvent, which counts the others.
CompareReport compare(const CompareRequest& request, Progress& progress, std::stop_token stop,
                      ResidentBase* resident = nullptr);

}  // namespace dorabooth
