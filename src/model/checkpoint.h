// A base on disk: a diffusers folder or an original single file. Opening reads headers and configs
// only; whatever is not an SDXL base is refused by its name.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "src/model/component.h"
#include "src/model/weights.h"
#include "src/scheduler/scheduler_config.h"

namespace dorabooth {

class Checkpoint {
 public:
  // `variant` ("fp16") chooses weight files in a folder; a component that lacks it gives its plain
  // files. `config_dir` (single files only) holds the configs, in a diffusers folder's layout, of a
  // file whose widths are not SDXL base's; its tokenizers are used too if it has any.
  static Checkpoint open(const std::filesystem::path& path, const std::string& variant = "",
                         const std::filesystem::path& config_dir = {});

  const std::filesystem::path& path() const { return path_; }
  bool has(Component component) const;

  // The component's config.json; of a single file: from config_dir, from the file's own metadata,
  // or SDXL base's with the numbers that the file's shapes tell.
  nlohmann::json config(Component component) const;
  // Where that config is from, for error messages.
  std::string config_source(Component component) const;
  // With what the marker keys of a single file (v_pred, ztsnr) say.
  SchedulerConfig scheduler_config() const;
  // The same as it stands there, keys and all that no sampler here reads.
  nlohmann::json scheduler_json() const;
  // model_index.json of the folder; of a single file, config_dir's or SDXL base's.
  nlohmann::json model_index() const;
  bool force_zeros_for_empty_prompt() const;
  // The folder of tokenizer 1 or 2; empty if the base ships none (CLIP's vocabulary serves then).
  std::filesystem::path tokenizer_folder(int encoder) const;

  // Opened at the first question and kept; throws if the base lacks the component. Not for several
  // threads at once.
  const Weights& weights(Component component) const;
  const std::vector<StoredTensor>& stored(Component component) const {
    return weights(component).stored();
  }

  // Of a single file: the file, whose entries() hold everything in its own order. StoredTensor's
  // `entry` points into them; to_diffusers() tells an entry's tensors, and an entry of none is one
  // that is_ignored_key() or is_marker_key() knows. Null for a folder.
  const std::shared_ptr<const SafetensorsFile>& single_file() const { return file_; }
  // The numbers for to_single_file() and to_diffusers(), of a folder too.
  KeyLayout key_layout() const;

  // What was passed over in a single file, for the log: "ignored 12 tensors model_ema.…".
  const std::vector<std::string>& notes() const { return notes_; }

  // All configs as one JSON text, the value of the single-file metadata key kConfigMetadata:
  // written into a single file, it makes a base of any size loadable alone.
  std::string config_metadata() const;
  static constexpr const char* kConfigMetadata = "dorabooth.config";

  // A VAE alone: a folder with its config.json, or one that has it in vae/.
  static Checkpoint open_vae(const std::filesystem::path& folder, const std::string& variant = "");

 private:
  Checkpoint() = default;
  void open_folder(const std::string& variant);
  void open_single_file();
  void sort_entries();
  std::filesystem::path component_folder(Component component) const;
  std::optional<nlohmann::json> given_config(const std::string& name) const;
  nlohmann::json scheduler_json(std::string* where) const;
  Weights folder_weights(Component component) const;

  std::filesystem::path path_;
  std::string variant_;
  std::filesystem::path config_dir_;
  nlohmann::json model_index_;  // of a folder
  nlohmann::json metadata_;     // a single file's own configs, or null
  std::array<bool, kComponents.size()> present_ = {};
  std::shared_ptr<const SafetensorsFile> file_;
  KeyLayout layout_;  // of a single file
  std::vector<std::string> notes_;
  std::filesystem::path vae_folder_;  // of open_vae
  mutable std::array<std::optional<Weights>, kComponents.size()> weights_;
};

// Marker entries of a single file that say how the model was trained.
bool is_marker_key(const std::string& name);

}  // namespace dorabooth
