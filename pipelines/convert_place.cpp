#include "pipelines/convert_place.h"

#include <filesystem>

namespace dorabooth {

namespace fs = std::filesystem;

bool writes_folder(const std::string& to) { return to == "peft"; }

std::string place_beside(const std::string& adapter_path, const std::string& to) {
  if (adapter_path.empty()) return "";
  fs::path adapter = fs::absolute(adapter_path).lexically_normal();
  if (!adapter.has_filename()) adapter = adapter.parent_path();
  const bool file = adapter.extension() == ".safetensors";
  const fs::path folder = file ? adapter.parent_path() : adapter;
  std::string name = file ? adapter.stem().string() : adapter.filename().string();
  if (file && name == "pytorch_lora_weights") name = folder.filename().string();
  // As the adapter was given: relative paths stay so.
  const fs::path given = adapter_path;
  const fs::path place = (file ? given.parent_path() : given) / (name + "_" + to);
  return writes_folder(to) ? place.string() : place.string() + ".safetensors";
}

}  // namespace dorabooth
