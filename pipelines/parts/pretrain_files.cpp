// A component's folder is published whole.
#include "pipelines/parts/pretrain_files.h"

#include <ATen/ATen.h>

#include "pipelines/parts/base_loading.h"
#include "pipelines/parts/tensor_store.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

std::string weights_file(Component component) {
  const bool is_text =
      component == Component::kTextEncoder || component == Component::kTextEncoder2;
  return is_text ? "model.safetensors" : "diffusion_pytorch_model.safetensors";
}

}  // namespace

ComponentConfig read_component_config(const PretrainConfig& config, Component component) {
  const fs::path path = fs::path(config.config_dir) / component_name(component) / "config.json";
  json parsed = json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) fail(path.string(), ": not a JSON object");
  return {std::move(parsed), path.string()};
}

SchedulerConfig read_scheduler_config(const PretrainConfig& config) {
  const fs::path path = fs::path(config.config_dir) / "scheduler" / "scheduler_config.json";
  return parse_scheduler_config_text(read_file(path), path.string());
}

void write_component(const PretrainConfig& config, Component component,
                     const std::map<std::string, at::Tensor>& weights, const json& own_config) {
  const std::string prefix = std::string(component_name(component)) + ".";
  const at::ScalarType dtype = dtype_of_name(config.output_dtype);
  std::map<std::string, at::Tensor> own;
  for (const auto& [name, value] : weights) {
    if (!name.starts_with(prefix)) continue;
    const at::Tensor written = value.to(dtype);
    if (!at::isfinite(written).all().item<bool>()) {
      fail(name, " does not fit into ", config.output_dtype);
    }
    own[name.substr(prefix.size())] = written;
  }
  const fs::path folder = fs::path(config.output_dir) / component_name(component);
  const fs::path temporary = folder.string() + ".tmp";
  fs::remove_all(temporary);
  fs::create_directories(temporary);
  const json written =
      own_config.is_null() ? read_component_config(config, component).json : own_config;
  write_file_atomically(temporary / "config.json", written.dump(2) + "\n");
  write_tensors(temporary / weights_file(component), own, {{"format", "pt"}});
  publish(temporary, folder);
}

void copy_from_config_dir(const PretrainConfig& config, const std::string& name) {
  const fs::path from = fs::path(config.config_dir) / name;
  if (!fs::exists(from)) fail(config.config_dir, " lacks ", name);
  fs::copy(from, fs::path(config.output_dir) / name,
           fs::copy_options::recursive | fs::copy_options::overwrite_existing);
}

}  // namespace dorabooth
