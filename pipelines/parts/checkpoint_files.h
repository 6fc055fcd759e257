// Whether the files of a checkpoint are those that were written: their sizes and SHA-256 stand in
// its training_state.json, which is written last. Internal to pipelines/train.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace dorabooth {

// Every file below `folder`, by its path in it: {"lora/pytorch_lora_weights.safetensors": {"bytes":
// 1234, "sha256": "…"}}.
nlohmann::json list_files(const std::filesystem::path& folder);

// What is wrong with the first file that is not as `listed` says: "state-lora.safetensors has 1000
// bytes, want 1234"; "" if all are whole. Others may lie beside them.
std::string damage_in(const std::filesystem::path& folder, const nlohmann::json& listed);

}  // namespace dorabooth
