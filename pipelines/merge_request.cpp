// What can be said of a merge request without opening a file.
#include "pipelines/merge.h"

#include <filesystem>

#include "src/base/error.h"

namespace dorabooth {

std::vector<FieldProblem> problems_of(const MergeRequest& request) {
  std::vector<FieldProblem> problems;
  if (request.pretrained_model_name_or_path.empty()) {
    problems.push_back({"pretrained_model_name_or_path",
                        "--pretrained_model_name_or_path is missing: it names the base"});
  }
  const bool folder = request.layout == "diffusers";
  if (request.adapter_path.empty() && !request.dtype && request.layout != "unet" &&
      std::filesystem::is_directory(request.pretrained_model_name_or_path) == folder) {
    problems.push_back(
        {"adapter_path", concat("--adapter_path is missing: nothing to merge, and the base has the "
                                "layout ",
                                request.layout, " already")});
  }
  const bool has_wrong = folder ? request.output.has_value() : request.output_dir.has_value();
  const auto& wanted = folder ? request.output_dir : request.output;
  if (has_wrong || wanted.value_or("").empty()) {
    problems.push_back(
        {has_wrong == folder ? "output" : "output_dir",
         folder ? "--layout diffusers writes a folder: give --output_dir and no --output"
                : concat("--layout ", request.layout,
                         " writes one file: give --output and no --output_dir")});
  }
  return problems;
}

}  // namespace dorabooth
