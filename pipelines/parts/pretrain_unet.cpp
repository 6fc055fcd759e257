// Each copy of the models is a bundle of its own with a share of every batch's rows; the loss is
// train's.
#include "pipelines/parts/pretrain_unet.h"

#include <ATen/ATen.h>

#include <filesystem>

#include "datasets/batch_source.h"
#include "pipelines/parts/denoising_loss.h"
#include "pipelines/parts/pretrain_files.h"
#include "pipelines/parts/pretrain_run.h"
#include "pipelines/parts/step_meter.h"
#include "pipelines/parts/training_pictures.h"
#include "src/base/error.h"
#include "src/model/bundle.h"
#include "src/model/initial_weights.h"
#include "src/model/load.h"
#include "src/model/prompt_encoding.h"
#include "src/tokenizers/tokenizer.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

const Component kTrained[] = {Component::kUNet, Component::kTextEncoder, Component::kTextEncoder2};

const at::TensorOptions kEmpty = at::TensorOptions().dtype(at::kFloat).device(at::kMeta);

template <typename Model, typename Config>
std::shared_ptr<Model> make_model(const PretrainConfig& config, Component component) {
  const ComponentConfig source = read_component_config(config, component);
  return std::make_shared<Model>(Config::from_json(source.json, source.where), kEmpty);
}

// The models of one copy, without weights, around the tokenizers that all share.
SdxlBundle make_bundle(const PretrainConfig& config, const SdxlBundle& shared) {
  SdxlBundle bundle = shared;
  bundle.unet = make_model<UNet, UNetConfig>(config, Component::kUNet);
  bundle.text_encoder = make_model<ClipTextModel, ClipTextConfig>(config, Component::kTextEncoder);
  bundle.text_encoder_2 =
      make_model<ClipTextModel, ClipTextConfig>(config, Component::kTextEncoder2);
  return bundle;
}

ModelSet models_of(const SdxlBundle& bundle) {
  return {{component_name(Component::kUNet), bundle.unet},
          {component_name(Component::kTextEncoder), bundle.text_encoder},
          {component_name(Component::kTextEncoder2), bundle.text_encoder_2}};
}

SdxlBundle shared_parts(const PretrainConfig& config) {
  SdxlBundle shared;
  const fs::path folder = config.config_dir;
  shared.path = folder;
  shared.tokenizer = open_tokenizer(folder / "tokenizer");
  shared.tokenizer_2 = open_tokenizer(folder / "tokenizer_2");
  shared.dtype = config.mixed_precision == "bf16" ? at::kBFloat16 : at::kFloat;
  return shared;
}

void start_weights(const PretrainConfig& config, const SdxlBundle& bundle) {
  const auto seed = static_cast<uint64_t>(config.seed);
  if (!config.pretrained_model_name_or_path) {
    initialise(*bundle.unet, seed, component_name(Component::kUNet));
    initialise(*bundle.text_encoder, seed, component_name(Component::kTextEncoder));
    initialise(*bundle.text_encoder_2, seed, component_name(Component::kTextEncoder2));
    return;
  }
  const Checkpoint start = Checkpoint::open(*config.pretrained_model_name_or_path);
  const LoadTarget target{.dtype = at::kFloat, .device = at::kCPU, .in_place = false};
  load_weights(*bundle.unet, start.weights(Component::kUNet), target);
  load_weights(*bundle.text_encoder, start.weights(Component::kTextEncoder), target);
  load_weights(*bundle.text_encoder_2, start.weights(Component::kTextEncoder2), target);
}

// The trained autoencoder, frozen, and its own config.
struct TrainedVae {
  std::shared_ptr<AutoencoderKl> model;
  nlohmann::json config;
};

TrainedVae load_vae(const PretrainConfig& config) {
  if (!config.pretrained_vae_model_name_or_path) {
    throw UsageError(
        "--pretrained_vae_model_name_or_path is missing: the stage unet trains on an "
        "autoencoder's latents");
  }
  const Checkpoint checkpoint = Checkpoint::open_vae(*config.pretrained_vae_model_name_or_path);
  TrainedVae vae;
  vae.config = checkpoint.config(Component::kVae);
  vae.model = std::make_shared<AutoencoderKl>(
      VaeConfig::from_json(vae.config, checkpoint.config_source(Component::kVae)), kEmpty);
  load_weights(*vae.model, checkpoint.weights(Component::kVae),
               {.dtype = at::kFloat, .device = at::kCPU});
  return vae;
}

class UNetStage : public PretrainStage {
 public:
  UNetStage(const PretrainConfig& config, std::vector<SdxlBundle> bundles, const ExampleSet& set,
            double scaling_factor, const Ddpm& schedule)
      : config_(config), bundles_(std::move(bundles)), schedule_(schedule) {
    objective_.prediction_type = bundles_[0].scheduler.prediction_type;
    for (size_t i = 0; i < bundles_.size(); ++i) {
      BatchOptions options;
      options.seed = static_cast<uint64_t>(config.seed);
      options.share = {static_cast<int64_t>(i), static_cast<int64_t>(bundles_.size())};
      options.batch_size = config.train_batch_size / options.share.world;
      options.scaling_factor = scaling_factor;
      options.num_train_timesteps = schedule.num_train_timesteps();
      options.noise.offset = config.noise_offset;
      options.captions.empty_share = config.proportion_empty_prompts;
      sources_.emplace_back(set, std::nullopt, options);
    }
  }

  std::vector<std::pair<std::string, double>> backward(size_t replica, int64_t step) override {
    TrainingBatch batch = sources_[replica].batch(step);
    if (batch.rows() == 0) return {{"loss", 0.0}};
    if (config_.loss_weighting == "velocity") {
      const at::Tensor weights =
          (1.0 + 1.0 / schedule_.snr(batch.timesteps)).clamp_max(config_.loss_weight_limit);
      batch.loss_weights = batch.loss_weights.defined() ? weights * batch.loss_weights : weights;
    }
    const SdxlBundle& bundle = bundles_[replica];
    const PromptEmbeds embeds = encode_prompts(bundle, batch.captions, LongPrompts::kCut, Log());
    const double share = 1.0 / static_cast<double>(bundles_.size());
    const at::Tensor loss =
        share * denoising_loss(*bundle.unet, schedule_, batch, embeds, objective_);
    loss.backward();
    return {{"loss", loss.item<double>()}};
  }

 private:
  const PretrainConfig& config_;
  std::vector<SdxlBundle> bundles_;
  const Ddpm& schedule_;
  ObjectiveConfig objective_;
  std::vector<BatchSource> sources_;
};

ExampleSet encode(const PretrainConfig& config, const ImageFolder& folder, const AutoencoderKl& vae,
                  Progress& progress, const std::stop_token& stop) {
  const ExampleRequest request =
      example_request(config, static_cast<uint64_t>(config.seed), "instance", folder.pictures);
  int64_t total = 0;
  for (const CaptionedPicture& picture : request.pictures) total += picture.repeats;
  StepMeter meter(progress, "encode pictures", total);
  return encode_examples(
      request, vae, nullptr, [&](int64_t) { meter.step(); }, stop);
}

void write_base(const PretrainConfig& config, const WeightReplicas& weights,
                const TrainedVae& vae) {
  const std::map<std::string, at::Tensor> trained = weights.weights(/*average=*/true);
  for (const Component component : kTrained) write_component(config, component, trained);
  std::map<std::string, at::Tensor> of_vae;
  for (const nn::LayerParameter& parameter : nn::layer_parameters(*vae.model)) {
    of_vae["vae." + parameter.full_name] = parameter.value.contiguous();
  }
  write_component(config, Component::kVae, of_vae, vae.config);
  for (const char* name : {"tokenizer", "tokenizer_2", "scheduler", "model_index.json"}) {
    copy_from_config_dir(config, name);
  }
}

}  // namespace

PretrainReport pretrain_unet(const PretrainConfig& config, const ImageFolder& folder,
                             const std::string& digest, Progress& progress, std::stop_token stop) {
  const auto copies = static_cast<int64_t>(replica_count(config));
  if (config.train_batch_size % copies != 0) {
    throw UsageError(concat("--train_batch_size ", config.train_batch_size, ": want a multiple of ",
                            copies, ", the number of --replicas"));
  }
  const TrainedVae vae = load_vae(config);
  SdxlBundle shared = shared_parts(config);
  shared.scheduler = read_scheduler_config(config);
  std::vector<SdxlBundle> bundles;
  std::vector<ModelSet> sets;
  for (int64_t i = 0; i < copies; ++i) {
    bundles.push_back(make_bundle(config, shared));
    sets.push_back(models_of(bundles.back()));
  }
  if (bundles[0].unet->config().in_channels != vae.model->config().latent_channels) {
    fail(config.config_dir, ": the UNet's in_channels is ", bundles[0].unet->config().in_channels,
         ", the autoencoder's latent_channels ", vae.model->config().latent_channels);
  }
  start_weights(config, bundles[0]);
  WeightReplicas weights(std::move(sets), replica_options_of(config));
  log_to(progress).info(concat("UNet and text encoders: ", weights.trainable_numbers(),
                               " numbers train, ", weights.count(), " copies"));
  const ExampleSet set = encode(config, folder, *vae.model, progress, stop);
  PretrainReport report;
  report.stopped = stop.stop_requested();
  if (report.stopped) return report;
  const Ddpm schedule(config_for_class(shared.scheduler, "DDPMScheduler"));
  UNetStage stage(config, bundles, set, vae.model->config().scaling_factor, schedule);
  report = run_steps(config, stage, weights, digest, progress, stop);
  if (report.stopped) return report;
  write_base(config, weights, vae);
  report.path = config.output_dir;
  return report;
}

}  // namespace dorabooth
