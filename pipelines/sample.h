// Pictures from prompts at fixed seeds, as diffusers' SDXL pipeline with a CPU generator draws
// them.
#pragma once

#include <stop_token>

#include "pipelines/model_options.h"
#include "pipelines/progress.h"

namespace dorabooth {

struct SampleRequest : ModelOptions, SamplingOptions {
  std::vector<std::string> prompt;
  std::vector<int64_t> seed = {0};
  int64_t num_images_per_prompt = 1;
  std::vector<std::string> adapter_path;  // FILE[:strength], applied in this order
  std::optional<std::string> from;        // a PNG of ours: draws it again
  std::string output_dir = "samples";
};

const FieldList<SampleRequest>& sample_fields();

struct SampledPicture {
  std::string path;
  std::string prompt;
  int64_t seed = 0;
  int64_t index = 0;  // within num_images_per_prompt
};

struct SampleReport {
  std::vector<SampledPicture> pictures;
  bool stopped = false;
};

// Writes output_dir/NNNNN-seed.png with the whole request in its text chunks ("parameters" as A1111
// writes it, and our JSON under "dorabooth").
SampleReport sample(const SampleRequest& request, Progress& progress, std::stop_token stop);

// The request that `picture` was drawn with; throws if it is not a PNG of ours.
SampleRequest request_of_picture(const std::string& picture);

}  // namespace dorabooth
