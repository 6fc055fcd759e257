// What the auto-saved project file holds: the settings of every window, and what the next start has
// to know of work that was not finished.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "pipelines/analyze.h"
#include "pipelines/compare.h"
#include "pipelines/convert.h"
#include "pipelines/merge.h"
#include "pipelines/train.h"
#include "ui/desktop/form_state.h"

namespace dorabooth {

// The base stands in each request; set_base() keeps them equal. The folder of pictures is
// train.instance_data_dir.
struct Project {
  // What the Export window converts it proves, unless told otherwise.
  static ConvertRequest proved();

  TrainConfig train;
  CompareRequest compare;
  MergeRequest merge;
  ConvertRequest convert = proved();
  AnalyzeRequest analyze;
  std::vector<std::string> favourites;  // pictures, by path
  // A run that was started and did not end: it resumes from its checkpoint.
  std::optional<TrainConfig> unfinished_run;
  std::vector<std::string> trained_adapters;  // files of the last run that brought any
};

void set_base(Project& project, const std::string& path);

// A request of the project with its fields, for forms and edits.
struct ProjectForm {
  const FieldTable* table = nullptr;
  void* object = nullptr;
};
ProjectForm project_form(Project& project, FormId form);
struct ConstProjectForm {
  const FieldTable* table = nullptr;
  const void* object = nullptr;
  const void* defaults = nullptr;
};
ConstProjectForm project_form(const Project& project, FormId form);

nlohmann::json project_to_json(const Project& project);
// Throws UsageError naming the key; `where` opens the message.
Project project_from_json(const nlohmann::json& json, const std::string& where);

}  // namespace dorabooth
