// Writes a base in SDXL's real sizes with seeded random weights, a diffusers folder in fp16 (6.9
// GB), and a rank-16 DoRA for it: what scripts/full_size_check.sh works on. Every key and shape is
// held against the key map of the golden data. Tensors are drawn and written by pieces; files that
// are there are kept.
#include <ATen/ATen.h>

#include <cmath>
#include <filesystem>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "src/adapter/adapter_file.h"
#include "src/adapter/set.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/base/random_stream.h"
#include "src/device/adapter_core_choice.h"
#include "src/model/assets.h"
#include "src/model/bundle.h"
#include "src/nn/layer.h"
#include "src/tensorfile/safetensors.h"
#include "tests/support/fixtures.h"

namespace dorabooth {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr uint64_t kSeed = 0;
constexpr int64_t kPiece = 1 << 16;       // numbers drawn at a time
constexpr double kEmbeddingBound = 0.02;  // CLIP's deviation of embeddings
constexpr double kBiasBound = 0.01;
constexpr double kTrainedB = 1e-3;  // B of an adapter that looks trained

using Shapes = std::map<std::string, std::vector<int64_t>>;

const fs::path& config_dir() {
  static const fs::path path = asset_path("sdxl_base_config");
  return path;
}

template <typename Model, typename Config>
Shapes shapes_of(const std::string& component) {
  const fs::path path = config_dir() / component / "config.json";
  const Config config = Config::from_json(json::parse(read_file(path)), path.string());
  Model model(config, at::TensorOptions().dtype(at::kHalf).device(at::kMeta));
  Shapes shapes;
  for (const nn::LayerParameter& parameter : nn::layer_parameters(model)) {
    shapes[parameter.full_name] = parameter.value.sizes().vec();
  }
  return shapes;
}

int64_t count_of(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t side : shape) count *= side;
  return count;
}

// Exactly the keys, shapes and numbers of parameters of SDXL base 1.0.
void check(const std::string& component, const Shapes& shapes, const json& keymap) {
  size_t rows = 0;
  int64_t parameters = 0;
  for (const json& row : keymap.at("map")) {
    if (row.at(0) != component) continue;
    ++rows;
    const auto found = shapes.find(row.at(1).get<std::string>());
    if (found == shapes.end()) fail(component, ": no ", row.at(1).get<std::string>());
    if (json(found->second) != row.at(2)) {
      fail(component, ": ", found->first, ": want ", row.at(2).dump(), ", got ",
           shape_text(found->second));
    }
    parameters += count_of(found->second);
  }
  const auto want = keymap.at("parameters").at(component).get<int64_t>();
  if (rows != shapes.size() || parameters != want) {
    fail(component, ": want ", rows, " tensors of ", want, " parameters, got ", shapes.size(),
         " of ", parameters);
  }
}

// Matrices and convolutions as torch.nn draws them, within ±1/sqrt(inputs of one output), so that
// nothing grows on its way through the layers; norms near 1 and 0.
double bound_of(const std::string& name, const std::vector<int64_t>& shape) {
  if (name.find("embedding.weight") != name.npos) return kEmbeddingBound;
  if (shape.size() == 1) return kBiasBound;
  return 1.0 / std::sqrt(static_cast<double>(count_of(shape) / shape[0]));
}

void write_tensor(SafetensorsWriter& writer, const std::string& component, const std::string& name,
                  const std::vector<int64_t>& shape) {
  const RandomStream stream(kSeed, "full_size/" + component + "." + name);
  const double bound = bound_of(name, shape);
  const double centre = shape.size() == 1 && name.ends_with(".weight") ? 1.0 : 0.0;
  const int64_t count = count_of(shape);
  for (int64_t first = 0; first < count; first += kPiece) {
    at::Tensor values = at::empty({std::min(kPiece, count - first)});
    stream.uniform(static_cast<uint64_t>(first / kPiece), 0,
                   {values.mutable_data_ptr<float>(), static_cast<size_t>(values.numel())});
    const at::Tensor half = values.mul_(2 * bound).add_(centre - bound).to(at::kHalf);
    writer.write(name, static_cast<uint64_t>(first) * 2,
                 {static_cast<const std::byte*>(half.const_data_ptr()), half.nbytes()});
  }
}

void write_component(const fs::path& folder, const std::string& component, const std::string& stem,
                     const Shapes& shapes) {
  const fs::path path = folder / component / (stem + ".safetensors");
  if (fs::exists(path)) return;
  std::cout << path.string() << std::endl;
  std::vector<TensorEntry> entries;
  for (const auto& [name, shape] : shapes) {
    TensorEntry entry;
    entry.name = name;
    entry.dtype = DType::kF16;
    entry.shape = shape;
    entries.push_back(entry);
  }
  SafetensorsWriter writer(path, entries, {{"format", "pt"}});
  for (const auto& [name, shape] : shapes) write_tensor(writer, component, name, shape);
  writer.finish();
}

// In this program's own form of JSON, so that a folder that went there and back is the same.
void copy_json(const fs::path& folder, const std::string& name) {
  write_file_atomically(folder / name, json::parse(read_file(config_dir() / name)).dump(2) + "\n");
}

void write_side_files(const fs::path& folder) {
  for (const char* component : {"unet", "vae", "text_encoder", "text_encoder_2"}) {
    copy_json(folder, std::string(component) + "/config.json");
  }
  copy_json(folder, "model_index.json");
  copy_json(folder, "scheduler/scheduler_config.json");
  for (const char* tokenizer : {"tokenizer", "tokenizer_2"}) {
    fs::create_directories(folder / tokenizer);
    for (const fs::path& from : {asset_path("clip_tokenizer"), config_dir() / tokenizer}) {
      for (const auto& entry : fs::directory_iterator(from)) {
        if (entry.path().filename() == "LICENSE") continue;
        fs::copy_file(entry.path(), folder / tokenizer / entry.path().filename(),
                      fs::copy_options::overwrite_existing);
      }
    }
  }
}

// Rank 16 on the UNet's attention projections, with magnitudes that moved.
void write_dora(const fs::path& folder, const fs::path& path) {
  if (fs::exists(path)) return;
  std::cout << path.string() << std::endl;
  LoadOptions options;
  options.dtype = at::kHalf;
  options.components = {Component::kUNet};
  const SdxlBundle bundle = load_bundle(folder, options);
  AdapterSpec spec;
  spec.kind = "dora";
  spec.rank = 16;
  spec.target_modules = default_target_modules(/*text_encoders=*/false);
  AdapterSet set = AdapterSet::create(spec, bundle.linear_layers(), kSeed, cpu_core());
  const at::NoGradGuard no_grad;
  for (AdapterParameter& parameter : set.parameters()) {
    const RandomStream stream(kSeed, "full_size/" + parameter.name);
    at::Tensor drawn = at::empty(parameter.value.sizes());
    stream.uniform(0, 0, {drawn.mutable_data_ptr<float>(), static_cast<size_t>(drawn.numel())});
    if (parameter.name.ends_with(".B")) parameter.value.copy_(drawn.sub_(0.5).mul_(kTrainedB));
    if (parameter.name.ends_with(".m")) parameter.value.mul_(drawn.mul_(0.02).add_(0.99));
  }
  write_diffusers_adapter(path, set, {});
}

int make(const fs::path& folder) {
  const json keymap = testing::fixture_json("single_file_keymap.json");
  const std::map<std::string, Shapes> all = {
      {"unet", shapes_of<UNet, UNetConfig>("unet")},
      {"vae", shapes_of<AutoencoderKl, VaeConfig>("vae")},
      {"text_encoder", shapes_of<ClipTextModel, ClipTextConfig>("text_encoder")},
      {"text_encoder_2", shapes_of<ClipTextModel, ClipTextConfig>("text_encoder_2")}};
  for (const auto& [component, shapes] : all) check(component, shapes, keymap);
  write_side_files(folder);
  for (const auto& [component, shapes] : all) {
    const bool text = component.starts_with("text_encoder");
    write_component(folder, component, text ? "model" : "diffusion_pytorch_model", shapes);
  }
  fs::path dora = folder;
  dora += "_dora.safetensors";
  write_dora(folder, dora);
  return 0;
}

}  // namespace
}  // namespace dorabooth

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: make_full_size_base FOLDER\n"
                 "Writes FOLDER and FOLDER_dora.safetensors, 7 GB.\n";
    return 2;
  }
  try {
    return dorabooth::make(std::filesystem::absolute(argv[1]));
  } catch (const std::exception& error) {
    std::cerr << "make_full_size_base: " << error.what() << '\n';
    return 1;
  }
}
