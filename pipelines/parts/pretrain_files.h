// What a pretraining stage reads of a base without weights, and how its result is written. Internal
// to pipelines/pretrain.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "pipelines/pretrain.h"
#include "src/model/component.h"
#include "src/scheduler/scheduler_config.h"

namespace dorabooth {

// config_dir's config.json of a component, and its path for messages.
struct ComponentConfig {
  nlohmann::json json;
  std::string where;
};
ComponentConfig read_component_config(const PretrainConfig& config, Component component);

// config_dir's scheduler/scheduler_config.json.
SchedulerConfig read_scheduler_config(const PretrainConfig& config);

// OUT/<component>: its config, and the weights whose names begin with the component's, in
// output_dtype. `own_config` instead of config_dir's where it is given.
void write_component(const PretrainConfig& config, Component component,
                     const std::map<std::string, at::Tensor>& weights,
                     const nlohmann::json& own_config = nullptr);

// Copies the files of config_dir/<name> (a file or a folder) to OUT.
void copy_from_config_dir(const PretrainConfig& config, const std::string& name);

}  // namespace dorabooth
