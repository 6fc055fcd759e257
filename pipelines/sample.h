// Pictures from prompts at fixed seeds, as diffusers' SDXL pipeline with a CPU generator draws
// them.
#pragma once

#include <stop_token>

#include "pipelines/model_options.h"
#include "pipelines/progress.h"
#include "pipelines/reading_fields.h"
#include "pipelines/resident_base.h"

namespace dorabooth {

struct SampleRequest : ModelOptions, SamplingOptions, ReadingOptions {
  std::vector<std::string> prompt;
  std::optional<std::string> prompts_file;  // one prompt a line
  std::vector<int64_t> seed = {0};
  int64_t num_images_per_prompt = 1;
  std::optional<int64_t> image_index;     // keeps one of num_images_per_prompt; absent: all
  std::vector<std::string> adapter_path;  // FILE[:strength], applied in this order
  std::vector<std::string> embedding;     // FILE[:token=TOK]
  std::optional<std::string> from;        // a PNG of ours: draws it again
  std::string output_dir = "samples";
  std::optional<std::string> sheet;  // a .png with all pictures on it
  int64_t sheet_columns = 8;
};

const FieldList<SampleRequest>& sample_fields();
// Fields that say where a picture is drawn and goes, not what it shows: a picture's own text has
// none of them.
const std::vector<std::string>& fields_outside_pictures();

struct SampledPicture {
  std::string path;
  std::string prompt;
  int64_t seed = 0;
  int64_t index = 0;  // within num_images_per_prompt
};

struct SampleReport {
  std::vector<SampledPicture> pictures;
  std::string sheet;  // "" if none was asked for
  bool stopped = false;
};

// Writes output_dir/NNNNN-seed.png, numbered from 0, with the whole request in its text chunks
// ("parameters" as A1111 writes it, and our JSON under "dorabooth"). With `from`, fields that have
// their default value are the picture's (see with_picture).
SampleReport sample(const SampleRequest& request, Progress& progress, std::stop_token stop,
                    ResidentBase* resident = nullptr);

// The request that `picture` was drawn with, for this picture alone: one prompt, one seed. Throws
// if it is not a PNG of ours.
SampleRequest request_of_picture(const std::string& picture);

// `request` with everything from the picture `request.from` but the fields named in `given` (what
// stood on the command line or in a config file), output_dir and device; `from` is cleared. Throws
// if a file of an adapter or embedding is no longer the one that the picture was drawn with.
SampleRequest with_picture(const SampleRequest& request, const std::vector<std::string>& given);

}  // namespace dorabooth
