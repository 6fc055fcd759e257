// Loads the base that a request names onto the device and in the dtype that it names.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "pipelines/model_options.h"
#include "pipelines/resident_base.h"
#include "src/base/log.h"
#include "src/model/bundle.h"

namespace dorabooth {

// "fp32", "fp16" or "bf16".
at::ScalarType dtype_of_name(const std::string& name);
std::string name_of_dtype(at::ScalarType dtype);

// The device first of all (see open_device). Absent dtype: fp32 on a CPU, fp16 on CUDA. A VAE in
// fp16 that overflows reads its weights again in fp32 from the base's files, and `log` is warned.
SdxlBundle load_base(const ModelOptions& options, const Log& log,
                     const std::set<Component>& components = {kComponents.begin(),
                                                              kComponents.end()});

struct ResidentBase::Kept {
  std::string key;  // of the options and of the base's files; "" if nothing is kept
  std::optional<SdxlBundle> bundle;
};

// The base in `resident` if the options name it and its files are as they were; otherwise it is
// loaded, and kept there. Null: load_base.
SdxlBundle load_base(const ModelOptions& options, const Log& log, ResidentBase* resident);

}  // namespace dorabooth
