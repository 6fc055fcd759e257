// Weights are a repeated block of normals divided by the square root of a row's length: without the
// cost of an initializer, and activations keep their size.
#include "pipelines/parts/bench_model.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "pipelines/parts/base_loading.h"
#include "pipelines/parts/tensor_store.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/base/random_stream.h"
#include "src/clip/clip_text_model.h"
#include "src/vae/autoencoder_kl.h"

namespace dorabooth {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr int64_t kBlock = int64_t{1} << 20;
constexpr int64_t kPooled = 1280;
constexpr int64_t kTokens = 77;
constexpr const char* kStartToken = "<|startoftext|>";
constexpr const char* kEndToken = "<|endoftext|>";

struct Preset {
  const char* name;
  std::vector<int64_t> channels;
  std::vector<int64_t> blocks;
};

const Preset& preset_of(const std::string& name) {
  static const std::vector<Preset> presets = {{"tiny", {64, 128, 256}, {1, 1, 2}},
                                              {"mid", {160, 320, 640}, {1, 2, 4}},
                                              {"full", {320, 640, 1280}, {1, 2, 10}}};
  for (const Preset& preset : presets) {
    if (name == preset.name) return preset;
  }
  throw UsageError(concat("--preset: '", name, "' is not one of tiny, mid, full"));
}

json unet_json(const BenchRequest& request) {
  const Preset& preset = preset_of(request.preset);
  std::vector<int64_t> heads;
  for (const int64_t channels : preset.channels) {
    heads.push_back(std::max<int64_t>(1, channels / 64));
  }
  const json down = {"DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"};
  const json up = {"CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"};
  return {{"_class_name", "UNet2DConditionModel"},
          {"sample_size", 128},
          {"block_out_channels", preset.channels},
          {"transformer_layers_per_block", preset.blocks},
          {"attention_head_dim", heads},
          {"down_block_types", down},
          {"up_block_types", up},
          {"layers_per_block", 2},
          {"cross_attention_dim", request.text},
          {"use_linear_projection", true},
          {"addition_embed_type", "text_time"},
          {"addition_time_embed_dim", 256},
          {"projection_class_embeddings_input_dim", kPooled + UNetConfig::kTimeIds * 256}};
}

json vae_json() {
  return {{"_class_name", "AutoencoderKL"},
          {"block_out_channels", {32, 64, 128, 128}},
          {"down_block_types", json::array_t(4, "DownEncoderBlock2D")},
          {"up_block_types", json::array_t(4, "UpDecoderBlock2D")},
          {"layers_per_block", 2},
          {"latent_channels", 4},
          {"sample_size", 256}};
}

json text_json(bool second, int64_t width, int64_t projection, int64_t vocabulary) {
  return {{"architectures", {second ? "CLIPTextModelWithProjection" : "CLIPTextModel"}},
          {"vocab_size", vocabulary},
          {"hidden_size", width},
          {"intermediate_size", 4 * width},
          {"num_hidden_layers", 4},
          {"num_attention_heads", std::max<int64_t>(1, width / 64)},
          {"projection_dim", projection},
          {"max_position_embeddings", kTokens},
          {"hidden_act", "quick_gelu"},
          {"layer_norm_eps", 1e-5},
          {"eos_token_id", vocabulary - 1}};
}

void fill_random(torch::nn::Module& model, at::ScalarType dtype, at::Device device) {
  const at::NoGradGuard no_grad;
  const at::Tensor block = random_normal("bench/weights", 0, {kBlock});
  for (const nn::LayerParameter& parameter : nn::layer_parameters(model)) {
    const at::IntArrayRef sizes = parameter.value.sizes();
    at::Tensor value = at::empty(sizes, at::TensorOptions().dtype(dtype));
    if (sizes.size() == 1) {
      value.fill_(parameter.name == "weight" ? 1.0 : 0.0);
    } else {
      const double row = static_cast<double>(value.numel() / sizes[0]);
      const at::Tensor scaled =
          (block.narrow(0, 0, std::min(kBlock, value.numel())) / std::sqrt(row)).to(dtype);
      at::Tensor flat = value.view({-1});
      for (int64_t first = 0; first < flat.numel(); first += kBlock) {
        const int64_t count = std::min(kBlock, flat.numel() - first);
        flat.narrow(0, first, count).copy_(scaled.narrow(0, 0, count));
      }
    }
    parameter.layer->assign(parameter.name, value.to(device));
  }
}

void write_json(const fs::path& path, const json& values) {
  fs::create_directories(path.parent_path());
  write_file_atomically(path, values.dump(1) + "\n");
}

template <typename Model, typename Config>
void write_component(const fs::path& folder, const char* file, const json& config,
                     at::ScalarType dtype) {
  write_json(folder / "config.json", config);
  Model model(Config::from_json(config, folder.string()),
              at::TensorOptions().dtype(dtype).device(at::kMeta));
  fill_random(model, dtype, at::kCPU);
  std::map<std::string, at::Tensor> tensors;
  for (const nn::LayerParameter& parameter : nn::layer_parameters(model)) {
    tensors[parameter.full_name] = parameter.value;
  }
  write_tensors(folder / file, tensors, {{"format", "pt"}});
}

// The printable Latin-1 bytes, each inside and at the end of a word, and the two special tokens.
json vocabulary_json() {
  std::vector<std::string> characters;
  for (int byte = 33; byte < 256; ++byte) {
    if ((byte > 126 && byte < 161) || byte == 173) continue;
    std::string character;
    if (byte < 128) {
      character = static_cast<char>(byte);
    } else {
      character = {static_cast<char>(0xC0 | (byte >> 6)), static_cast<char>(0x80 | (byte & 0x3F))};
    }
    characters.push_back(character);
  }
  json vocabulary = json::object();
  const auto add = [&](const std::string& symbol) {
    const size_t id = vocabulary.size();
    vocabulary[symbol] = id;
  };
  for (const std::string& character : characters) add(character);
  for (const std::string& character : characters) add(character + "</w>");
  add(kStartToken);
  add(kEndToken);
  return vocabulary;
}

void write_tokenizer(const fs::path& folder, const json& vocabulary) {
  write_json(folder / "vocab.json", vocabulary);
  write_file_atomically(folder / "merges.txt", "#version: 0.2\n");
  write_json(folder / "tokenizer_config.json",
             {{"tokenizer_class", "CLIPTokenizer"}, {"model_max_length", kTokens}});
}

}  // namespace

at::Tensor random_normal(const std::string& stream, uint64_t step, at::IntArrayRef sizes) {
  at::Tensor values = at::empty(sizes, at::TensorOptions(at::kFloat));
  RandomStream(0, stream).normal(
      step, 0,
      std::span<float>(values.mutable_data_ptr<float>(), static_cast<size_t>(values.numel())));
  return values;
}

std::shared_ptr<UNet> random_unet(const BenchRequest& request, at::Device device) {
  const at::ScalarType dtype = dtype_of_name(request.dtype);
  auto unet = std::make_shared<UNet>(UNetConfig::from_json(unet_json(request), "bench"),
                                     at::TensorOptions().dtype(dtype).device(at::kMeta));
  fill_random(*unet, dtype, device);
  unet->eval();
  return unet;
}

UNetInputs random_inputs(const BenchRequest& request, int64_t rows, at::Device device) {
  UNetInputs inputs;
  inputs.sample = random_normal("bench/latents", 0, {rows, 4, request.latent, request.latent});
  inputs.encoder_hidden_states = random_normal("bench/text", 0, {rows, kTokens, request.text});
  inputs.text_embeds = random_normal("bench/pooled", 0, {rows, kPooled});
  const auto pixels = static_cast<float>(8 * request.latent);
  inputs.time_ids =
      at::tensor(std::vector<float>{pixels, pixels, 0, 0, pixels, pixels}).repeat({rows, 1});
  for (at::Tensor* tensor :
       {&inputs.sample, &inputs.encoder_hidden_states, &inputs.text_embeds, &inputs.time_ids}) {
    *tensor = tensor->to(device);
  }
  return inputs;
}

SchedulerConfig bench_scheduler() {
  return parse_scheduler_config({{"_class_name", "EulerDiscreteScheduler"},
                                 {"beta_start", 0.00085},
                                 {"beta_end", 0.012},
                                 {"beta_schedule", "scaled_linear"},
                                 {"timestep_spacing", "leading"}},
                                "bench");
}

void write_random_base(const fs::path& folder, const BenchRequest& request) {
  const at::ScalarType dtype = dtype_of_name(request.dtype);
  const bool fits = request.what == "load";
  const int64_t second_width = fits ? request.text * 5 / 8 : 64;
  const int64_t first_width = fits ? request.text - second_width : 64;
  const json vocabulary = vocabulary_json();
  const auto tokens = static_cast<int64_t>(vocabulary.size());
  const char* weights = "diffusion_pytorch_model.safetensors";
  write_component<UNet, UNetConfig>(folder / "unet", weights, unet_json(request), dtype);
  write_component<AutoencoderKl, VaeConfig>(folder / "vae", weights, vae_json(), dtype);
  write_component<ClipTextModel, ClipTextConfig>(folder / "text_encoder", "model.safetensors",
                                                 text_json(false, first_width, first_width, tokens),
                                                 dtype);
  write_component<ClipTextModel, ClipTextConfig>(folder / "text_encoder_2", "model.safetensors",
                                                 text_json(true, second_width, kPooled, tokens),
                                                 dtype);
  write_tokenizer(folder / "tokenizer", vocabulary);
  write_tokenizer(folder / "tokenizer_2", vocabulary);
  write_json(folder / "scheduler" / "scheduler_config.json",
             {{"_class_name", "EulerDiscreteScheduler"},
              {"beta_start", 0.00085},
              {"beta_end", 0.012},
              {"beta_schedule", "scaled_linear"}});
  write_json(folder / "model_index.json",
             {{"_class_name", "StableDiffusionXLPipeline"},
              {"unet", {"diffusers", "UNet2DConditionModel"}},
              {"vae", {"diffusers", "AutoencoderKL"}},
              {"text_encoder", {"transformers", "CLIPTextModel"}},
              {"text_encoder_2", {"transformers", "CLIPTextModelWithProjection"}},
              {"tokenizer", {"transformers", "CLIPTokenizer"}},
              {"tokenizer_2", {"transformers", "CLIPTokenizer"}},
              {"scheduler", {"diffusers", "EulerDiscreteScheduler"}}});
}

}  // namespace dorabooth
