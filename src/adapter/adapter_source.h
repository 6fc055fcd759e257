// An adapter file opened: its layout, its configurations, and its tensors by module and role. What
// they mean is adapter_file.h's and weight_patch.h's to say. Internal to src/adapter.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "src/adapter/adapter_header.h"
#include "src/adapter/lora_config.h"
#include "src/adapter/module_parts.h"
#include "src/adapter/reading_options.h"
#include "src/tensorfile/safetensors.h"

namespace dorabooth {

class AdapterSource {
 public:
  // `shapes` are the parameters that the file may change; every "….weight" of them is a module.
  AdapterSource(const std::filesystem::path& path, const ParameterShapes& shapes,
                const ReadingOptions& options);

  // Reads the header, the keys and the configurations.
  void read();

  const std::filesystem::path& path() const { return file_.path(); }
  const std::map<std::string, std::string>& metadata() const { return file_.metadata(); }
  AdapterLayout layout() const { return layout_; }
  // The header's own entry; the configurations by component.
  const std::optional<SpecEntry>& header() const { return header_; }
  const std::map<std::string, LoraConfig>& configs() const { return configs_; }
  const std::map<std::string, ModuleParts>& parts() const { return parts_; }
  // Keys that no module of the base has, with ignore_unknown.
  const std::vector<std::string>& ignored() const { return ignored_; }
  // Tensors of embeddings that are bundled with the adapter.
  const std::vector<const TensorEntry*>& embeddings() const { return embeddings_; }
  // The names of all tensors.
  std::vector<std::string> keys() const;
  const std::vector<int64_t>& shape_of(const std::string& parameter) const;

  // fp32 on the CPU in the file's shape; types other than floating point and values that are not
  // finite are refused.
  at::Tensor numbers(const TensorEntry& entry) const;
  // The tensor `.alpha`: one positive number.
  double alpha(const TensorEntry& entry) const;

 private:
  void find_layout();
  void read_configs();
  void collect();
  std::string peft_component(const LoraConfig& config) const;
  bool fits(const std::string& component) const;
  std::string nearest_component() const;

  SafetensorsFile file_;
  const ParameterShapes& shapes_;
  ReadingOptions options_;
  AdapterKeys keys_;
  std::vector<const TensorEntry*> entries_;  // without those of embeddings
  AdapterLayout layout_ = AdapterLayout::kDiffusers;
  std::string component_;  // of PEFT's keys
  std::optional<SpecEntry> header_;
  std::map<std::string, LoraConfig> configs_;
  std::map<std::string, ModuleParts> parts_;
  std::vector<std::string> ignored_;
  std::vector<const TensorEntry*> embeddings_;
};

}  // namespace dorabooth
