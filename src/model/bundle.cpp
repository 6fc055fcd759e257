// Models are made on the meta device, so that no memory is taken before their tensors come.
#include "src/model/bundle.h"

#include "src/base/error.h"
#include "src/model/assets.h"
#include "src/model/load.h"
#include "src/nn/linear_layers.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

template <typename Config>
Config config_of(const Checkpoint& checkpoint, Component component) {
  return Config::from_json(checkpoint.config(component), checkpoint.config_source(component));
}

template <typename Model, typename Config>
std::shared_ptr<Model> load_model(const Checkpoint& checkpoint, Component component,
                                  const LoadTarget& target) {
  const auto config = config_of<Config>(checkpoint, component);
  const auto options = at::TensorOptions().dtype(target.dtype).device(at::kMeta);
  auto model = std::make_shared<Model>(config, options);
  load_weights(*model, checkpoint.weights(component), target);
  model->eval();
  return model;
}

void require_equal(const fs::path& path, const char* a, int64_t value_a, const char* b,
                   int64_t value_b) {
  if (value_a != value_b) {
    fail(path.string(), ": its components do not fit together: ", a, " is ", value_a, ", ", b,
         " is ", value_b);
  }
}

void check_fit(const SdxlBundle& bundle) {
  const fs::path& path = bundle.path;
  if (bundle.unet && bundle.text_encoder && bundle.text_encoder_2) {
    require_equal(
        path, "the UNet's cross_attention_dim", bundle.unet->config().cross_attention_dim,
        "the text encoders' width together",
        bundle.text_encoder->config().hidden_size + bundle.text_encoder_2->config().hidden_size);
    require_equal(path, "the UNet's pooled text width", bundle.unet->config().pooled_features(),
                  "text_encoder_2's projection_dim",
                  bundle.text_encoder_2->config().projection_dim);
  }
  if (bundle.unet && bundle.vae) {
    require_equal(path, "the UNet's in_channels", bundle.unet->config().in_channels,
                  "the VAE's latent_channels", bundle.vae->config().latent_channels);
  }
  if (bundle.text_encoder_2 && !bundle.text_encoder_2->config().with_projection()) {
    fail(path.string(),
         "/text_encoder_2: SDXL's second text encoder is a "
         "CLIPTextModelWithProjection");
  }
}

void check_tokenizer(const fs::path& path, const Tokenizer& tokenizer, const ClipTextConfig& config,
                     const char* name) {
  if (tokenizer.vocab_size() > config.vocab_size) {
    fail(path.string(), ": ", name, " has ", tokenizer.vocab_size(), " tokens, its text encoder ",
         config.vocab_size);
  }
  if (tokenizer.max_length() > config.max_position_embeddings) {
    fail(path.string(), ": ", name, "'s model_max_length is ", tokenizer.max_length(),
         ", its text encoder has ", config.max_position_embeddings, " positions");
  }
}

void append_linear_layers(const std::string& prefix, torch::nn::Module* model,
                          LinearLayers& layers) {
  if (!model) return;
  for (const auto& [name, layer] : nn::linear_layers(*model)) {
    layers.emplace_back(prefix + name, layer);
  }
}

}  // namespace

LinearLayers SdxlBundle::linear_layers() const {
  LinearLayers layers;
  append_linear_layers("unet.", unet.get(), layers);
  append_linear_layers("text_encoder.", text_encoder.get(), layers);
  append_linear_layers("text_encoder_2.", text_encoder_2.get(), layers);
  return layers;
}

std::shared_ptr<const Tokenizer> load_tokenizer(const Checkpoint& checkpoint, int encoder) {
  const fs::path folder = checkpoint.tokenizer_folder(encoder);
  if (!folder.empty()) return open_tokenizer(folder);
  return open_clip_tokenizer(asset_path("clip_tokenizer/vocab.json"),
                             asset_path("clip_tokenizer/merges.txt"),
                             encoder == 1 ? "<|endoftext|>" : "!");
}

SdxlBundle load_bundle(const fs::path& path, const LoadOptions& options, const Log& log) {
  return load_bundle(Checkpoint::open(path, options.variant, options.config_dir), options, log);
}

SdxlBundle load_bundle(const Checkpoint& checkpoint, const LoadOptions& options, const Log& log) {
  for (const std::string& note : checkpoint.notes()) log.info(note);
  SdxlBundle bundle;
  bundle.path = checkpoint.path();
  bundle.dtype = options.dtype;
  bundle.device = options.device;
  bundle.scheduler = checkpoint.scheduler_config();
  bundle.force_zeros_for_empty_prompt = checkpoint.force_zeros_for_empty_prompt();

  const auto wanted = [&](Component component) { return options.components.contains(component); };
  const LoadTarget target{options.dtype, options.device, options.in_place, options.storage};
  if (wanted(Component::kUNet)) {
    bundle.unet = load_model<UNet, UNetConfig>(checkpoint, Component::kUNet, target);
  }
  if (wanted(Component::kTextEncoder)) {
    bundle.text_encoder =
        load_model<ClipTextModel, ClipTextConfig>(checkpoint, Component::kTextEncoder, target);
    bundle.tokenizer = load_tokenizer(checkpoint, 1);
    check_tokenizer(bundle.path, *bundle.tokenizer, bundle.text_encoder->config(), "tokenizer");
  }
  if (wanted(Component::kTextEncoder2)) {
    bundle.text_encoder_2 =
        load_model<ClipTextModel, ClipTextConfig>(checkpoint, Component::kTextEncoder2, target);
    bundle.tokenizer_2 = load_tokenizer(checkpoint, 2);
    check_tokenizer(bundle.path, *bundle.tokenizer_2, bundle.text_encoder_2->config(),
                    "tokenizer_2");
  }
  std::optional<Checkpoint> other_vae;
  if (!options.vae_path.empty()) {
    other_vae = Checkpoint::open_vae(options.vae_path, options.variant);
  }
  const Checkpoint& vae_source = other_vae ? *other_vae : checkpoint;
  if (wanted(Component::kVae)) {
    const LoadTarget vae_target{options.vae_dtype, options.device, options.in_place};
    bundle.vae = load_model<AutoencoderKl, VaeConfig>(vae_source, Component::kVae, vae_target);
  }
  if (vae_source.has(Component::kVae)) {
    bundle.vae_scale_factor = config_of<VaeConfig>(vae_source, Component::kVae).downscale();
  }
  if (checkpoint.has(Component::kUNet)) {
    bundle.default_size =
        config_of<UNetConfig>(checkpoint, Component::kUNet).sample_size * bundle.vae_scale_factor;
  }
  check_fit(bundle);
  return bundle;
}

}  // namespace dorabooth
