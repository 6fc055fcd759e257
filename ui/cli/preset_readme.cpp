// A matrix of settings by preset, and a table of reasons.
#include "ui/cli/preset_readme.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "pipelines/train.h"
#include "src/base/error.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

Preset read_preset(const fs::path& path) {
  std::ifstream file(path);
  json values = json::parse(file, nullptr, false);
  if (!values.is_object()) fail(path.string(), ": not a JSON object");
  Preset preset;
  preset.name = path.stem().string();
  for (const auto& [key, value] : values.items()) {
    if (key == "_comment" && value.is_string()) {
      preset.comment = value;
    } else if (key == "_memory_gb" && value.is_number()) {
      preset.memory_gb = value;
    } else if (train_fields().find(key) != nullptr) {
      preset.settings[key] = value;
    } else {
      fail(path.string(), ": '", key, "' is neither a setting of train nor _comment or _memory_gb");
    }
  }
  if (preset.comment.empty()) fail(path.string(), ": no _comment says what it is for");
  return preset;
}

// What is trained on and where it goes is the user's.
bool is_of_the_user(const std::string& setting) {
  static const std::set<std::string> names = {"pretrained_model_name_or_path", "instance_data_dir",
                                              "instance_prompt", "class_prompt", "output_dir"};
  return names.contains(setting);
}

std::string shown(const json& value) {
  if (value.is_string()) return value;
  if (!value.is_array()) return value.dump();
  std::string text;
  for (const json& element : value) text += (text.empty() ? "" : ", ") + shown(element);
  return text;
}

std::string preset_table(const std::vector<Preset>& presets) {
  std::string text = "| file | what it is for | memory |\n| --- | --- | --- |\n";
  for (const Preset& preset : presets) {
    std::ostringstream memory;
    if (preset.memory_gb > 0) memory << "about " << preset.memory_gb << " GB";
    text += "| `" + preset.name + ".json` | " + preset.comment + " | " + memory.str() + " |\n";
  }
  return text;
}

std::string setting_matrix(const std::vector<Preset>& presets) {
  std::string head = "| setting |";
  std::string line = "| --- |";
  for (const Preset& preset : presets) {
    std::string name = preset.name;
    std::replace(name.begin(), name.end(), '_', ' ');
    head += " " + name + " |";
    line += " --- |";
  }
  std::string text = head + "\n" + line + "\n";
  for (const std::string& setting : preset_settings(presets)) {
    text += "| `" + setting + "` |";
    for (const Preset& preset : presets) {
      text += preset.settings.contains(setting) ? " " + shown(preset.settings[setting]) : "";
      text += " |";
    }
    text += "\n";
  }
  return text;
}

}  // namespace

std::vector<Preset> read_presets(const fs::path& configs) {
  std::vector<Preset> presets;
  for (const auto& entry : fs::directory_iterator(configs)) {
    if (entry.path().extension() == ".json") presets.push_back(read_preset(entry.path()));
  }
  // By name, but "8gb" before "12gb".
  const auto key = [](const Preset& preset) {
    return std::pair(preset.name.substr(0, preset.name.find_first_of("0123456789")),
                     preset.memory_gb);
  };
  std::sort(presets.begin(), presets.end(),
            [&](const Preset& a, const Preset& b) { return key(a) < key(b); });
  return presets;
}

std::vector<std::string> preset_settings(const std::vector<Preset>& presets) {
  const TrainConfig defaults;
  std::vector<std::string> settings;
  for (const Field& field : train_fields().fields()) {
    const bool differs = std::any_of(presets.begin(), presets.end(), [&](const Preset& preset) {
      return preset.settings.contains(field.name) &&
             preset.settings[field.name] != train_fields().get(&defaults, field);
    });
    if (differs && !is_of_the_user(field.name)) settings.push_back(field.name);
  }
  return settings;
}

std::string preset_reason(const std::string& setting) {
  for (const auto& [name, reason] : preset_reasons()) {
    if (name == setting) return reason;
  }
  return "";
}

std::string presets_markdown(const std::vector<Preset>& presets) {
  std::string text =
      "\n## Presets\n\n"
      "A preset says how to train; base, pictures, prompt and folder of results are given beside "
      "it:\n\n"
      "```\n"
      "dorabooth train --config configs/subject_sdxl_12gb.json \\\n"
      "  --pretrained_model_name_or_path sdxl-base --instance_data_dir my_dog \\\n"
      "  --instance_prompt \"a photo of sks dog\" --output_dir out/dog\n"
      "dorabooth train --config configs/style_sdxl_12gb.json \\\n"
      "  --pretrained_model_name_or_path sdxl-base --instance_data_dir my_drawings \\\n"
      "  --instance_prompt \"a drawing of {caption} in sks style\" --output_dir out/drawings\n"
      "```\n\n"
      "`{caption}` is the caption beside each picture. A subject is some 3 to 20 pictures of one "
      "thing, a style some 20 to 100 pictures in one manner.\n\n";
  text += preset_table(presets);
  text +=
      "\nMemory is what the forecast of `--dry_run` counts for twenty 1024×1024 pictures, with 0.7 "
      "GB for LibTorch and the driver: an estimate, none of these has been run on such a card.\n\n"
      "What they set, where it is not the default:\n\n";
  text += setting_matrix(presets);
  text += "\nWhy:\n\n| setting | what it does | why these values |\n| --- | --- | --- |\n";
  for (const std::string& setting : preset_settings(presets)) {
    text += "| `" + setting + "` | " + train_fields().at(setting).help + " | " +
            preset_reason(setting) + " |\n";
  }
  return text;
}

}  // namespace dorabooth
