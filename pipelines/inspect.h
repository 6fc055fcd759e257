// What a safetensors file or folder is: base or adapter, of which architecture, with which numbers.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <stop_token>
#include <string>
#include <vector>

#include "pipelines/progress.h"
#include "pipelines/reader_verdict.h"
#include "pipelines/reading_fields.h"
#include "src/config/field_list.h"

namespace dorabooth {

struct InspectRequest : ReadingOptions {
  std::string path;
  std::optional<std::string> pretrained_model_name_or_path;  // checks an adapter against this base
};

const FieldList<InspectRequest>& inspect_fields();

struct InspectReport {
  std::string kind;     // "base", "adapter", "component", "text embedding", "other"
  std::string summary;  // one line
  std::vector<std::pair<std::string, std::string>> facts;  // for people, in order
  std::vector<std::string> problems;                       // NaN, missing halves, unknown keys, …
  std::vector<ReaderVerdict> readers;  // what other programs make of an adapter, given its base
  std::string json;                    // everything, for programs
};

InspectReport inspect(const InspectRequest& request);
// With the replay of other programs' formulas told step by step; stopped, `readers` is empty.
InspectReport inspect(const InspectRequest& request, Progress& progress, std::stop_token stop);

}  // namespace dorabooth
