// Layout -> configurations -> keys -> modules.
#include "src/adapter/adapter_source.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "src/adapter/bundled_embedding.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/ops/tensor_bytes.h"
#include "src/tensorfile/header.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

constexpr const char* kPeftConfig = "adapter_config.json";
constexpr const char* kPeftWeights = "adapter_model.safetensors";
constexpr const char* kDiffusersWeights = "pytorch_lora_weights.safetensors";
const std::string kWeight = ".weight";

}  // namespace

fs::path adapter_tensor_file(const fs::path& path) {
  if (!fs::exists(path)) fail(path.string(), ": no such file or folder");
  if (fs::is_directory(path)) {
    for (const char* name : {kPeftWeights, kDiffusersWeights}) {
      if (fs::exists(path / name)) return path / name;
    }
    fail(path.string(), ": holds neither ", kPeftWeights, " nor ", kDiffusersWeights);
  }
  const std::string extension = path.extension().string();
  for (const char* pickled : {".bin", ".pt", ".pth", ".ckpt"}) {
    if (extension == pickled) {
      fail(path.string(), ": a pickle can run any program when it is read; convert it to ",
           "safetensors first");
    }
  }
  return path;
}

namespace {

std::vector<std::string> modules_of(const ParameterShapes& shapes) {
  std::vector<std::string> names;
  for (const auto& [name, shape] : shapes) {
    if (name.ends_with(kWeight)) names.push_back(name.substr(0, name.size() - kWeight.size()));
  }
  return names;
}

}  // namespace

AdapterSource::AdapterSource(const fs::path& path, const ParameterShapes& shapes,
                             const ReadingOptions& options)
    : file_(adapter_tensor_file(path)),
      shapes_(shapes),
      options_(options),
      keys_(modules_of(shapes)) {}

void AdapterSource::read() {
  for (const TensorEntry& entry : file_.entries()) {
    (parse_bundled_key(entry.name) ? embeddings_ : entries_).push_back(&entry);
  }
  find_layout();
  read_configs();
  collect();
}

void AdapterSource::find_layout() {
  if (entries_.empty()) fail("holds no tensors");
  const TensorEntry* first = nullptr;
  for (const TensorEntry* entry : entries_) {
    const AdapterLayout layout = AdapterKeys::layout_of(entry->name);
    // A key that is unknown by itself says nothing about the others.
    if (options_.ignore_unknown && layout != AdapterLayout::kPeft && !keys_.find(entry->name)) {
      continue;
    }
    if (!first) {
      first = entry;
      layout_ = layout;
    } else if (layout != layout_) {
      fail(quoted_name(first->name), " and ", quoted_name(entry->name),
           " belong to different layouts");
    }
  }
  if (!first) fail("holds no key of this base, ", quoted_name(entries_[0]->name), " for one");
}

void AdapterSource::read_configs() {
  header_ = find_spec(metadata());
  if (layout_ == AdapterLayout::kPeft) {
    const fs::path path = file_.path().parent_path() / kPeftConfig;
    if (!fs::exists(path)) fail("has PEFT's keys, but no ", kPeftConfig, " lies beside it");
    constexpr uintmax_t kLongest = 16 << 20;
    if (fs::file_size(path) > kLongest) {
      fail(kPeftConfig, ": larger than ", bytes_text(kLongest));
    }
    const LoraConfig config = parse_adapter_config(read_file(path), kPeftConfig);
    component_ = peft_component(config);
    configs_[component_] = config;
    return;
  }
  const auto found = metadata().find(kAdapterMetadataKey);
  if (found != metadata().end()) {
    configs_ = parse_adapter_metadata(found->second, kAdapterMetadataKey);
  }
}

// PEFT's keys name no component: it is the one that has all their modules in their shapes; where
// both text encoders do, the config's base or the folder's name tells.
std::string AdapterSource::peft_component(const LoraConfig& config) const {
  std::vector<std::string> fitting;
  for (const std::string& component : keys_.components()) {
    if (fits(component)) fitting.push_back(component);
  }
  if (fitting.size() == 1) return fitting.front();
  if (fitting.empty()) return nearest_component();
  const std::string base = fs::path(config.base_model).filename().string();
  const std::string folder = fs::absolute(file_.path()).parent_path().filename().string();
  for (const std::string& component : fitting) {
    if (base == component || folder == component) return component;
  }
  const bool second =
      folder.find("te2") != std::string::npos || folder.find("text_encoder_2") != std::string::npos;
  const bool first = !second && (folder.find("te1") != std::string::npos ||
                                 folder.find("text_encoder") != std::string::npos);
  for (const std::string& component : fitting) {
    if ((second && component == "text_encoder_2") || (first && component == "text_encoder")) {
      return component;
    }
  }
  fail("fits ", fitting[0], " and ", fitting[1], "; name the folder after its component");
}

bool AdapterSource::fits(const std::string& component) const {
  return std::ranges::all_of(entries_, [&](const TensorEntry* entry) {
    const auto key = keys_.find(entry->name, component);
    if (!key) return options_.ignore_unknown;
    const std::vector<int64_t>& shape = shape_of(key->module + kWeight);
    if (entry->shape.size() < 2 || shape.size() < 2) return true;
    if (key->role == AdapterRole::kA) return entry->shape[1] == shape[1];
    return key->role != AdapterRole::kB || entry->shape[0] == shape[0];
  });
}

// For the message about what does not fit: the component that knows most of the keys.
std::string AdapterSource::nearest_component() const {
  std::string best = keys_.components().empty() ? "" : keys_.components().front();
  std::ptrdiff_t best_count = 0;
  for (const std::string& component : keys_.components()) {
    const auto count = std::ranges::count_if(entries_, [&](const TensorEntry* entry) {
      return keys_.find(entry->name, component).has_value();
    });
    if (count > best_count) {
      best = component;
      best_count = count;
    }
  }
  return best;
}

void AdapterSource::collect() {
  for (const TensorEntry* entry : entries_) {
    if (options_.ignore_unknown && !keys_.find(entry->name, component_)) {
      ignored_.push_back(entry->name);
      continue;
    }
    const AdapterKey key = keys_.parse(entry->name, component_);
    parts_[key.module].add(key.role, *entry);
  }
  if (parts_.empty()) fail("holds no key of this base, ", quoted_name(ignored_[0]), " for one");
}

std::vector<std::string> AdapterSource::keys() const {
  std::vector<std::string> names;
  for (const TensorEntry& entry : file_.entries()) names.push_back(entry.name);
  return names;
}

const std::vector<int64_t>& AdapterSource::shape_of(const std::string& parameter) const {
  const auto found = shapes_.find(parameter);
  if (found == shapes_.end()) fail("the base has no ", parameter);
  return found->second;
}

at::Tensor AdapterSource::numbers(const TensorEntry& entry) const {
  const DType dtype = entry.dtype;
  if (dtype != DType::kF32 && dtype != DType::kF16 && dtype != DType::kBF16 &&
      dtype != DType::kF64) {
    fail(quoted_name(entry.name), ": want F32, F16, BF16 or F64, got ", dtype_name(dtype));
  }
  at::Tensor tensor = at::empty(entry.shape, scalar_type(dtype));
  // Not through the mapping, whose pages would count as memory beside the copy.
  file_.read(entry, 0, {static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()});
  tensor = tensor.to(at::kFloat);
  // A sum that is finite has only finite terms, and takes a quarter of the time.
  if (!std::isfinite(tensor.sum().item<float>()) && !at::isfinite(tensor).all().item<bool>()) {
    fail(quoted_name(entry.name), ": holds values that are not finite");
  }
  return tensor;
}

double AdapterSource::alpha(const TensorEntry& entry) const {
  const at::Tensor value = numbers(entry);
  const double alpha = value.numel() == 1 ? value.item<double>() : 0.0;
  if (!(alpha > 0)) {
    fail(quoted_name(entry.name), ": want one positive number, got ",
         value.numel() == 1 ? concat(alpha) : shape_text(entry.shape));
  }
  return alpha;
}

}  // namespace dorabooth
