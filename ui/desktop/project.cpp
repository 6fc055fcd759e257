#include "ui/desktop/project.h"

#include <nlohmann/json.hpp>

#include "src/base/error.h"

namespace dorabooth {

using nlohmann::json;

namespace {

constexpr int kVersion = 1;

}  // namespace

ConvertRequest Project::proved() {
  ConvertRequest request;
  request.verify = true;
  return request;
}

void set_base(Project& project, const std::string& path) {
  project.train.pretrained_model_name_or_path = path;
  project.compare.pretrained_model_name_or_path = path;
  project.merge.pretrained_model_name_or_path = path;
  project.convert.pretrained_model_name_or_path = path;
  project.analyze.pretrained_model_name_or_path = path;
}

ProjectForm project_form(Project& project, FormId form) {
  switch (form) {
    case FormId::kTrain:
      return {&train_fields(), &project.train};
    case FormId::kCompare:
      return {&compare_fields(), &project.compare};
    case FormId::kMerge:
      return {&merge_fields(), &project.merge};
    case FormId::kConvert:
      return {&convert_fields(), &project.convert};
    case FormId::kAnalyze:
      return {&analyze_fields(), &project.analyze};
  }
  return {};
}

ConstProjectForm project_form(const Project& project, FormId form) {
  static const Project defaults;
  const ProjectForm mutable_form = project_form(const_cast<Project&>(project), form);
  const ProjectForm default_form = project_form(const_cast<Project&>(defaults), form);
  return {mutable_form.table, mutable_form.object, default_form.object};
}

json project_to_json(const Project& project) {
  return {
      {"version", kVersion},
      {"train", train_fields().to_json(&project.train)},
      {"compare", compare_fields().to_json(&project.compare)},
      {"merge", merge_fields().to_json(&project.merge)},
      {"convert", convert_fields().to_json(&project.convert)},
      {"analyze", analyze_fields().to_json(&project.analyze)},
      {"favourites", project.favourites},
      {"unfinished_run",
       project.unfinished_run ? train_fields().to_json(&*project.unfinished_run) : json(nullptr)},
      {"trained_adapters", project.trained_adapters}};
}

Project project_from_json(const json& file, const std::string& where) {
  Project project;
  try {
    if (const int version = file.at("version"); version != kVersion) {
      throw UsageError(
          concat(where, ": a project of version ", version, "; this program reads ", kVersion));
    }
    train_fields().from_json(&project.train, file.at("train"), where + ": train");
    compare_fields().from_json(&project.compare, file.at("compare"), where + ": compare");
    merge_fields().from_json(&project.merge, file.at("merge"), where + ": merge");
    const std::string base = project.merge.pretrained_model_name_or_path;
    project.convert.pretrained_model_name_or_path = base;
    project.analyze.pretrained_model_name_or_path = base;
    // Projects from before these two windows have no settings of them.
    if (file.contains("convert"))
      convert_fields().from_json(&project.convert, file.at("convert"), where + ": convert");
    if (file.contains("analyze"))
      analyze_fields().from_json(&project.analyze, file.at("analyze"), where + ": analyze");
    project.favourites = file.at("favourites").get<std::vector<std::string>>();
    if (const json& run = file.at("unfinished_run"); !run.is_null())
      train_fields().from_json(&project.unfinished_run.emplace(), run, where + ": unfinished_run");
    project.trained_adapters = file.at("trained_adapters").get<std::vector<std::string>>();
  } catch (const json::exception& error) {
    throw UsageError(concat(where, ": not a project file: ", error.what()));
  }
  return project;
}

}  // namespace dorabooth
