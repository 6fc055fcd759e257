// Adapters merged into a base, streamed tensor by tensor: a diffusers folder, the UNet alone, or a
// single file; fp32 arithmetic and one rounding; a receipt of what was merged and how exactly.
// Without adapters the base goes from one layout to the other, bit for bit.
#pragma once

#include <stop_token>

#include "pipelines/model_options.h"
#include "pipelines/progress.h"
#include "pipelines/reading_fields.h"

namespace dorabooth {

struct MergeRequest : ReadingOptions {
  std::string pretrained_model_name_or_path;
  std::optional<std::string> variant;
  std::optional<std::string> config_dir;
  std::vector<std::string> adapter_path;  // FILE[:strength], in this order
  std::string strength_rule = "peft";
  std::string layout = "diffusers";  // diffusers, single_file, unet
  std::optional<std::string> dtype;  // absent: each tensor's own
  std::optional<std::string> output_dir;
  std::optional<std::string> output;  // the file of single_file and unet
};

const FieldList<MergeRequest>& merge_fields();

struct MergedLayer {
  std::string module;
  double largest_change = 0.0;  // max |W' − W|
  double rounding = 0.0;        // max |stored W' − exact W'| / max |W'|
  double forward_error = 0.0;   // max |W'x − adapter forward(x)| / max |y| for a fixed random x
};

struct MergeReport {
  std::string path;
  std::string receipt;  // merge_receipt.json beside the result
  int64_t tensors = 0;  // written
  std::vector<MergedLayer> layers;
  double largest_forward_error = 0.0;
  std::vector<std::string> ignored_keys;  // of all adapters, with ignore_unknown
  // Between a picture of base + adapters and one of the merged folder, in 8-bit values; absent
  // where the base is too large to draw with beside a merge, or the layout is one file.
  std::optional<int> largest_pixel_difference;
  bool stopped = false;
};

MergeReport merge(const MergeRequest& request, Progress& progress, std::stop_token stop);
// The same without the pictures that are compared.
MergeReport write_merged(const MergeRequest& request, Progress& progress, std::stop_token stop);

struct FieldProblem {
  std::string field;  // of the request
  std::string message;
};
// What stops the merge before any file is opened.
std::vector<FieldProblem> problems_of(const MergeRequest& request);

// What a merge will take, from the files' headers.
struct MergePlan {
  std::vector<FieldProblem> problems;  // the rest is 0 if there is any
  int64_t tensors = 0;
  uint64_t bytes = 0;       // to be written
  uint64_t free_bytes = 0;  // where they go
};
MergePlan plan_merge(const MergeRequest& request);

}  // namespace dorabooth
