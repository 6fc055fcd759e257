// What configs/*.json say of memory, against the forecast over files of SDXL's sizes without
// numbers.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "pipelines/forecast.h"
#include "src/base/atomic_file.h"
#include "src/clip/clip_text_model.h"
#include "src/unet/unet.h"
#include "src/vae/autoencoder_kl.h"
#include "tests/pipelines/example_base.h"
#include "tests/support/fixtures.h"

namespace dorabooth::testing::preset_memory_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// A header with the module's tensors in bf16 and a hole in place of their numbers.
void write_hollow(const fs::path& path, const torch::nn::Module& module) {
  json header = json::object();
  uint64_t end = 0;
  for (const auto& item : module.named_parameters()) {
    const uint64_t begin = end;
    end += static_cast<uint64_t>(item.value().numel()) * 2;
    header[item.key()] = {
        {"dtype", "BF16"}, {"shape", item.value().sizes().vec()}, {"data_offsets", {begin, end}}};
  }
  const std::string text = header.dump();
  const uint64_t length = text.size();
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(&length), sizeof(length));
  file << text;
  file.close();
  fs::resize_file(path, sizeof(length) + length + end);
}

template <typename Model, typename Config>
void write_component(const fs::path& folder, const std::string& file) {
  const fs::path source = asset_path("sdxl_base_config") / folder.filename();
  const Config config = Config::from_json(json::parse(read_file(source / "config.json")), "config");
  write_hollow(folder / file, Model(config, at::TensorOptions(at::kMeta).dtype(at::kBFloat16)));
}

fs::path hollow_sdxl(const fs::path& folder) {
  fs::copy(asset_path("sdxl_base_config"), folder, fs::copy_options::recursive);
  write_component<UNet, UNetConfig>(folder / "unet", "diffusion_pytorch_model.safetensors");
  write_component<AutoencoderKl, VaeConfig>(folder / "vae", "diffusion_pytorch_model.safetensors");
  write_component<ClipTextModel, ClipTextConfig>(folder / "text_encoder", "model.safetensors");
  write_component<ClipTextModel, ClipTextConfig>(folder / "text_encoder_2", "model.safetensors");
  return folder;
}

// GB of a device: what is counted, with 0.7 GB for LibTorch and the driver. Latents stay outside.
double device_gb(const TrainConfig& config) {
  constexpr int64_t kPictures = 20;
  const RunForecast forecast =
      forecast_run(config, {config.resolution, config.resolution, kPictures, kPictures});
  double mb = 700;
  for (const MemoryPart& part : forecast.memory.parts) {
    if (part.name != "program" && part.name != "latents") mb += part.mb;
  }
  return mb * (1 << 20) / 1e9;
}

TEST(PresetMemory, IsTheForecasts) {
  const TemporaryFolder folder;
  const std::string base = hollow_sdxl(folder.path() / "sdxl").string();
  int checked = 0;
  for (const auto& entry : fs::directory_iterator(source_dir() / "configs")) {
    if (entry.path().extension() != ".json") continue;
    const json preset = json::parse(read_file(entry.path()));
    if (!preset.contains("_memory_gb")) continue;
    ++checked;
    TrainConfig config;
    train_fields().from_json(&config, preset, entry.path().string());
    config.pretrained_model_name_or_path = base;
    config.device = "cpu";
    EXPECT_NEAR(preset.at("_memory_gb").get<double>(), device_gb(config), 0.06) << entry.path();
  }
  EXPECT_EQ(checked, 6);
}

}  // namespace
}  // namespace dorabooth::testing::preset_memory_test
