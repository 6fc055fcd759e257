// Marker keys and config classes of the model families that users mistake for an SDXL base.
#include "src/model/foreign_models.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "src/base/atomic_file.h"
#include "src/base/error.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr const char* kInpainting = "an inpainting model (its UNet takes 9 channels)";
constexpr const char* kEditing = "an image-editing model (its UNet takes the source picture too)";
constexpr const char* kRefiner = "the SDXL refiner";
constexpr const char* kStable1 = "Stable Diffusion 1.x";
constexpr const char* kStable2 = "Stable Diffusion 2.x";
constexpr const char* kStable3 = "Stable Diffusion 3";
constexpr const char* kFlux = "Flux";

[[noreturn]] void refuse(const fs::path& path, const std::string& what) {
  fail(path.string(), " is ", what, "; this program takes an SDXL base");
}

bool contains_key(const SafetensorsFile& file, std::string_view part) {
  return std::ranges::any_of(file.entries(), [&](const TensorEntry& entry) {
    return entry.name.find(part) != std::string::npos;
  });
}

bool has_front(const SafetensorsFile& file, std::string_view front) {
  return std::ranges::any_of(
      file.entries(), [&](const TensorEntry& entry) { return entry.name.starts_with(front); });
}

bool is_adapter_key(std::string_view key) {
  static constexpr std::array<std::string_view, 12> kParts = {
      ".lora_A.", ".lora_B.",    ".lora_down.",       ".lora_up.",
      ".lora.",   "_lora.",      ".lora_embedding_A", ".lora_magnitude_vector",
      ".lokr_w",  ".dora_scale", ".hada_w1_",         ".lora_linear_layer."};
  return key.starts_with("lora_unet_") || key.starts_with("lora_te") ||
         std::ranges::any_of(kParts,
                             [&](std::string_view part) { return key.find(part) != key.npos; });
}

void refuse_adapter_file(const SafetensorsFile& file) {
  const bool adapter = std::ranges::any_of(
      file.entries(), [](const TensorEntry& entry) { return is_adapter_key(entry.name); });
  if (adapter) {
    fail(file.path().string(),
         " is an adapter (LoRA or DoRA), not a base: give it with --adapter_path");
  }
  if (file.find("clip_l") && file.find("clip_g")) {
    fail(file.path().string(), " is a textual-inversion embedding, not a base");
  }
}

// Axis `axis` of an entry, 0 if it is absent.
int64_t extent(const SafetensorsFile& file, const std::string& name, size_t axis) {
  const TensorEntry* entry = file.find(name);
  return entry && entry->shape.size() > axis ? entry->shape[axis] : 0;
}

int64_t cross_width(const SafetensorsFile& file) {
  for (const TensorEntry& entry : file.entries()) {
    if (entry.name.starts_with("model.diffusion_model.") &&
        entry.name.ends_with(".attn2.to_k.weight") && entry.shape.size() == 2) {
      return entry.shape[1];
    }
  }
  return 0;
}

void refuse_by_channels(const fs::path& path, int64_t in_channels, int64_t out_channels) {
  if (in_channels == 0 || out_channels == 0) return;  // unknown: the loader will say
  if (in_channels == 2 * out_channels + 1) refuse(path, kInpainting);
  if (in_channels == 2 * out_channels) refuse(path, kEditing);
}

void refuse_single_file_unet(const SafetensorsFile& file) {
  const std::string unet = "model.diffusion_model.";
  refuse_by_channels(file.path(), extent(file, unet + "input_blocks.0.0.weight", 1),
                     extent(file, unet + "out.2.weight", 0));
  const bool has_label = file.find(unet + "label_emb.0.0.weight") != nullptr;
  const int64_t width = cross_width(file);
  if (!has_label) refuse(file.path(), width == 768 ? kStable1 : kStable2);
  constexpr int64_t kRefinerChannels = 384;
  constexpr int64_t kRefinerCross = 1280;
  if (extent(file, unet + "input_blocks.0.0.weight", 0) == kRefinerChannels &&
      width == kRefinerCross) {
    refuse(file.path(), kRefiner);
  }
}

}  // namespace

void refuse_foreign_file(const SafetensorsFile& file) {
  refuse_adapter_file(file);
  if (contains_key(file, "joint_blocks.0.")) refuse(file.path(), kStable3);
  if (contains_key(file, "double_blocks.0.") || has_front(file, "single_transformer_blocks.0.")) {
    refuse(file.path(), kFlux);
  }
  if (has_front(file, "conditioner.embedders.0.model.")) refuse(file.path(), kRefiner);
  if (has_front(file, "model.diffusion_model.input_blocks.")) {
    // Before the text encoders' keys: an inpainting model of version 1 is both.
    refuse_by_channels(file.path(),
                       extent(file, "model.diffusion_model.input_blocks.0.0.weight", 1),
                       extent(file, "model.diffusion_model.out.2.weight", 0));
  }
  if (has_front(file, "cond_stage_model.transformer.")) refuse(file.path(), kStable1);
  if (has_front(file, "cond_stage_model.model.")) refuse(file.path(), kStable2);
  if (file.find("time_embedding.linear_1.weight") || has_front(file, "text_model.")) {
    fail(file.path().string(),
         " is one component of a diffusers folder: give the folder that has model_index.json");
  }
  if (!has_front(file, "model.diffusion_model.input_blocks.")) {
    fail(file.path().string(), " is not an SDXL checkpoint: it has no tensor ",
         "model.diffusion_model.input_blocks…",
         file.entries().empty() ? "" : " (its first is " + file.entries().front().name + ")");
  }
  refuse_single_file_unet(file);
  if (contains_key(file, "edm_mean") || contains_key(file, "edm_vpred.sigma_max")) {
    refuse(file.path(),
           "an EDM model (Playground 2.5 and its kin), whose noise schedule is none "
           "of diffusers' discrete ones");
  }
}

void refuse_foreign_unet(const fs::path& path, const json& config) {
  if (!config.is_object()) return;
  const auto number = [&](const char* key) {
    const auto found = config.find(key);
    return found != config.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
  };
  refuse_by_channels(path, number("in_channels"), number("out_channels"));
  const auto text_time = config.find("addition_embed_type");
  if (text_time == config.end() || *text_time != "text_time") {
    refuse(path, number("cross_attention_dim") == 768 ? kStable1 : kStable2);
  }
}

void refuse_foreign_folder(const fs::path& folder, const json& model_index) {
  const auto name = model_index.find("_class_name");
  if (name == model_index.end() || !name->is_string()) {
    fail(folder.string(), "/model_index.json: no _class_name");
  }
  const std::string pipeline = name->get<std::string>();
  const auto absent = [&](const char* component) {
    const auto found = model_index.find(component);
    return found == model_index.end() || !found->is_array() || found->empty() ||
           found->front().is_null();
  };
  if (pipeline.starts_with("StableDiffusionXL")) {
    if (absent("text_encoder")) refuse(folder, kRefiner);
    return;
  }
  if (pipeline.starts_with("StableDiffusion3")) refuse(folder, kStable3);
  if (pipeline.starts_with("Flux")) refuse(folder, kFlux);
  if (pipeline.find("Inpaint") != pipeline.npos) refuse(folder, kInpainting);
  if (pipeline.starts_with("StableDiffusion")) {
    const fs::path unet = folder / "unet" / "config.json";
    if (fs::exists(unet)) {
      refuse_foreign_unet(folder,
                          json::parse(read_file(unet), nullptr, /*allow_exceptions=*/false));
    }
    refuse(folder, "Stable Diffusion 1.x or 2.x");
  }
  refuse(folder, "a " + pipeline);
}

void refuse_foreign_path(const fs::path& path) {
  if (!fs::exists(path)) {
    fail(path.string(),
         " does not exist: a base is a diffusers folder or a .safetensors file on this machine");
  }
  if (fs::is_directory(path)) {
    if (fs::exists(path / "model_index.json")) return;
    if (fs::exists(path / "adapter_config.json") ||
        fs::exists(path / "pytorch_lora_weights.safetensors")) {
      fail(path.string(), " holds an adapter, not a base: give it with --adapter_path");
    }
    fail(path.string(),
         ": no model_index.json; a base is a diffusers folder or a .safetensors "
         "file");
  }
  const std::string extension = path.extension().string();
  for (const char* pickle : {".ckpt", ".pt", ".pth", ".bin", ".pkl"}) {
    if (extension == pickle) {
      fail(path.string(), " is a pickle (", extension,
           "), which is never loaded: convert it to safetensors");
    }
  }
}

}  // namespace dorabooth
