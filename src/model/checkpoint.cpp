// Diffusers folders and single files behind one interface.
#include "src/model/checkpoint.h"

#include <algorithm>

#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/model/assets.h"
#include "src/model/component_files.h"
#include "src/model/foreign_models.h"
#include "src/model/single_file_config.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr size_t kNamed = 4;  // names listed in one message

size_t index_of(Component component) { return static_cast<size_t>(component); }

json parse_object(const std::string& text, const std::string& where) {
  json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) fail(where, ": not a JSON object");
  return object;
}

json read_object(const fs::path& path) { return parse_object(read_file(path), path.string()); }

bool is_listed(const json& model_index, const char* component) {
  const auto found = model_index.find(component);
  return found != model_index.end() && found->is_array() && !found->empty() &&
         !found->front().is_null();
}

bool holds_tokenizer(const fs::path& folder) {
  return fs::exists(folder / "vocab.json") || fs::exists(folder / "spiece.model");
}

std::string tokenizer_name(int encoder) { return encoder == 1 ? "tokenizer" : "tokenizer_2"; }

}  // namespace

bool is_marker_key(const std::string& name) { return name == "v_pred" || name == "ztsnr"; }

Checkpoint Checkpoint::open(const fs::path& path, const std::string& variant,
                            const fs::path& config_dir) {
  refuse_foreign_path(path);
  Checkpoint checkpoint;
  checkpoint.path_ = path;
  if (!config_dir.empty() && !fs::is_directory(config_dir)) {
    fail("--config_dir ", config_dir.string(), " is not a folder");
  }
  if (fs::is_directory(path)) {
    if (!config_dir.empty()) {
      throw UsageError(concat("--config_dir is for single files; ", path.string(),
                              " is a folder with its own configs"));
    }
    checkpoint.open_folder(variant);
  } else {
    checkpoint.config_dir_ = config_dir;
    checkpoint.open_single_file();
  }
  return checkpoint;
}

Checkpoint Checkpoint::open_vae(const fs::path& folder, const std::string& variant) {
  Checkpoint checkpoint;
  checkpoint.path_ = folder;
  checkpoint.variant_ = variant;
  checkpoint.vae_folder_ = fs::exists(folder / "vae" / "config.json") ? folder / "vae" : folder;
  if (!fs::exists(checkpoint.vae_folder_ / "config.json")) {
    fail(folder.string(), " is no VAE: a folder with config.json, or with vae/config.json, is");
  }
  checkpoint.present_[index_of(Component::kVae)] = true;
  return checkpoint;
}

void Checkpoint::open_folder(const std::string& variant) {
  variant_ = variant;
  model_index_ = read_object(path_ / "model_index.json");
  refuse_foreign_folder(path_, model_index_);
  bool has_variant = variant.empty();
  for (const Component component : kComponents) {
    present_[index_of(component)] = is_listed(model_index_, component_name(component));
    has_variant |= has_component_files(component_folder(component), component, variant);
  }
  if (!has_variant) fail(path_.string(), ": no component has the variant '", variant, "'");
  refuse_foreign_unet(path_, config(Component::kUNet));
}

fs::path Checkpoint::component_folder(Component component) const {
  return vae_folder_.empty() ? path_ / component_name(component) : vae_folder_;
}

void Checkpoint::open_single_file() {
  file_ = std::make_shared<const SafetensorsFile>(path_);
  refuse_foreign_file(*file_);
  if (const auto own = file_->metadata().find(kConfigMetadata); own != file_->metadata().end()) {
    metadata_ = parse_object(own->second, path_.string() + " (metadata " + kConfigMetadata + ")");
  }
  layout_ = layout_of_single_file(*file_);
  sort_entries();
}

void Checkpoint::sort_entries() {
  std::array<std::vector<StoredTensor>, kComponents.size()> tensors;
  std::vector<std::string> unknown;
  std::map<std::string, int64_t> ignored;  // by their first word
  for (const TensorEntry& entry : file_->entries()) {
    std::vector<ComponentKey> keys;
    if (!is_ignored_key(entry.name)) keys = to_diffusers(entry.name, layout_);
    for (ComponentKey& key : keys) {
      tensors[index_of(key.component)].push_back(
          make_stored_tensor(file_, entry, std::move(key.name), key.change));
    }
    if (!keys.empty() || is_marker_key(entry.name)) continue;
    if (is_ignored_key(entry.name)) {
      ++ignored[entry.name.substr(0, entry.name.find('.'))];
    } else {
      unknown.push_back(entry.name);
    }
  }
  if (!unknown.empty()) {
    const size_t shown = std::min(unknown.size(), kNamed);
    std::string names;
    for (size_t i = 0; i < shown; ++i) names += (i ? ", " : "") + unknown[i];
    fail(path_.string(), ": ", unknown.size(), " tensors of no SDXL component: ", names,
         unknown.size() > shown ? ", …" : "");
  }
  for (const auto& [word, count] : ignored) {
    if (word != "conditioner") {  // position ids and the logit scale are in every published file
      notes_.push_back(concat(path_.string(), ": ignored ", count, " tensors ", word, "…"));
    }
  }
  for (const Component component : kComponents) {
    const size_t i = index_of(component);
    present_[i] = !tensors[i].empty();
    if (!present_[i]) {
      notes_.push_back(concat(path_.string(), " has no ", component_name(component)));
      continue;
    }
    weights_[i].emplace(path_.string() + " (" + component_name(component) + ")",
                        std::move(tensors[i]));
  }
}

KeyLayout Checkpoint::key_layout() const {
  if (file_) return layout_;
  return layout_of_configs(config(Component::kUNet), config(Component::kVae), path_.string());
}

bool Checkpoint::has(Component component) const { return present_[index_of(component)]; }

// What config_dir or the file's metadata says about a component, the scheduler or the pipeline.
std::optional<json> Checkpoint::given_config(const std::string& name) const {
  if (!config_dir_.empty()) {
    const fs::path path = name == "model_index" ? config_dir_ / "model_index.json"
                                                : config_dir_ / name / "config.json";
    if (fs::exists(path)) return read_object(path);
  }
  if (const auto found = metadata_.find(name); found != metadata_.end()) return *found;
  return std::nullopt;
}

json Checkpoint::config(Component component) const {
  const std::string name = component_name(component);
  if (!file_) return read_object(component_folder(component) / "config.json");
  if (const auto given = given_config(name)) return *given;
  const json base = read_object(asset_path("sdxl_base_config/" + name + "/config.json"));
  return config_of_single_file(*file_, component, base);
}

std::string Checkpoint::config_source(Component component) const {
  const std::string name = component_name(component);
  if (!file_) return (component_folder(component) / "config.json").string();
  const fs::path given = config_dir_ / name / "config.json";
  if (!config_dir_.empty() && fs::exists(given)) return given.string();
  return path_.string() + " (config of its " + name + ")";
}

json Checkpoint::scheduler_json(std::string* where) const {
  const std::string name = "scheduler/scheduler_config.json";
  const auto read = [&](const fs::path& path) {
    *where = path.string();
    return parse_scheduler_json(read_file(path), *where);
  };
  if (!file_) return read(path_ / name);
  json values;
  if (!config_dir_.empty() && fs::exists(config_dir_ / name)) {
    values = read(config_dir_ / name);
  } else if (const auto found = metadata_.find("scheduler"); found != metadata_.end()) {
    values = *found;
    *where = path_.string() + " (scheduler config)";
  } else {
    values = read(asset_path("sdxl_base_config/" + name));
  }
  if (!values.is_object()) fail(*where, ": not a JSON object");
  if (file_->find("v_pred")) values["prediction_type"] = "v_prediction";
  if (file_->find("ztsnr")) values["rescale_betas_zero_snr"] = true;
  return values;
}

json Checkpoint::scheduler_json() const {
  std::string where;
  return scheduler_json(&where);
}

SchedulerConfig Checkpoint::scheduler_config() const {
  std::string where;
  const json values = scheduler_json(&where);
  return parse_scheduler_config(values, where);
}

json Checkpoint::model_index() const {
  if (!file_) return model_index_;
  if (const auto given = given_config("model_index")) return *given;
  return read_object(asset_path("sdxl_base_config/model_index.json"));
}

bool Checkpoint::force_zeros_for_empty_prompt() const {
  const json index = model_index();
  const auto found = index.find("force_zeros_for_empty_prompt");
  if (found == index.end()) return true;  // the pipeline class's default
  if (!found->is_boolean()) {
    fail(path_.string(), ": force_zeros_for_empty_prompt must be true or false, got ",
         found->dump());
  }
  return found->get<bool>();
}

fs::path Checkpoint::tokenizer_folder(int encoder) const {
  const std::string name = tokenizer_name(encoder);
  if (!file_) return path_ / name;
  if (!config_dir_.empty() && holds_tokenizer(config_dir_ / name)) return config_dir_ / name;
  return {};
}

Weights Checkpoint::folder_weights(Component component) const {
  const fs::path folder = component_folder(component);
  std::vector<StoredTensor> tensors;
  for (const auto& file : open_component_files(folder, component, variant_)) {
    for (const TensorEntry& entry : file->entries()) {
      if (entry.name.ends_with("embeddings.position_ids")) continue;
      std::string name = present_key(component, entry.name);
      const bool projection = component == Component::kVae && name.ends_with(".weight") &&
                              name.find(".mid_block.attentions.0.to_") != std::string::npos;
      const KeyChange change{projection ? KeyChange::kReshape : KeyChange::kNone, 0};
      tensors.push_back(make_stored_tensor(file, entry, std::move(name), change));
    }
  }
  return Weights(folder.string(), std::move(tensors));
}

const Weights& Checkpoint::weights(Component component) const {
  if (!has(component)) fail(path_.string(), " has no ", component_name(component));
  std::optional<Weights>& kept = weights_[index_of(component)];
  if (!kept) kept.emplace(folder_weights(component));
  return *kept;
}

std::string Checkpoint::config_metadata() const {
  json all = {{"model_index", model_index()}};
  for (const Component component : kComponents) {
    if (has(component)) all[component_name(component)] = config(component);
  }
  all["scheduler"] = scheduler_json();
  return all.dump();
}

}  // namespace dorabooth
