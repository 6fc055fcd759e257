// LoRA and its kin get slots, full the parameters themselves.
#include "pipelines/parts/trainer_making.h"

#include "pipelines/parts/init_adapter.h"
#include "pipelines/parts/trainer_options.h"
#include "pipelines/parts/training_run.h"
#include "src/base/error.h"
#include "src/device/adapter_core_choice.h"

namespace dorabooth {

namespace {

// Of a full fine-tuning, whose globs would reach text encoders that nobody asked for.
std::vector<Component> full_components(const TrainConfig& config) {
  std::vector<Component> components = {Component::kUNet};
  for (const Component component : {Component::kTextEncoder, Component::kTextEncoder2}) {
    if (full_trains_component(config, component_name(component))) components.push_back(component);
  }
  return components;
}

std::unique_ptr<FullWeights> full_weights(const TrainConfig& config, const AdapterSpec& spec,
                                          const SdxlBundle& bundle) {
  return std::make_unique<FullWeights>(
      spec, bundle,
      Checkpoint::open(config.pretrained_model_name_or_path, config.variant.value_or(""),
                       config.config_dir.value_or("")),
      full_components(config));
}

AdapterSet fresh_set(const TrainConfig& config, const AdapterSpec& spec, const SdxlBundle& bundle,
                     const Log& log) {
  const AdapterCore& core = adapter_core(bundle.device);
  const LinearLayers layers = bundle.linear_layers();
  if (spec.is_full()) return AdapterSet::from_tensors(spec, layers, {}, core);
  LinearLayers trained = layers;
  std::erase_if(trained, [&](const auto& layer) {
    return !trains_component(config, layer.first.substr(0, layer.first.find('.')));
  });
  AdapterSet set = AdapterSet::create(spec, trained, static_cast<uint64_t>(config.seed), core);
  if (config.init_adapter) begin_as(set, layers, *config.init_adapter, core, log);
  return set;
}

void describe(const TrainConfig& config, const AdapterTrainer& trainer, const Log& log) {
  log.info(concat(trainer.name(), ": ", trainer.module_count(), " modules, ",
                  trainer.parameter_count(), " trainable parameters"));
  if (config.train_text_encoder && !trainer.changes_text()) {
    log.warning(concat("train_text_encoder: the target modules of ", trainer.name(),
                       " name none of the text encoders, so they stay as they are"));
  }
}

}  // namespace

Trainers trainers_of(const TrainConfig& config, const SdxlBundle& bundle,
                     const TokenEmbeddings* tokens, int64_t processes, const Log& log) {
  Trainers trainers;
  for (const NamedSpec& named : adapter_specs(config)) {
    std::optional<LearnedTokens> learned;
    if (tokens) learned = {*tokens, &bundle};
    TrainerOptions options = trainer_options_of(config, processes);
    if (named.learning_rate)
      options.learning_rate = scaled_rate(config, *named.learning_rate, processes);
    trainers.push_back(std::make_unique<AdapterTrainer>(
        named.name, fresh_set(config, named.spec, bundle, log), options, std::move(learned),
        named.spec.is_full() ? full_weights(config, named.spec, bundle) : nullptr));
    require_unet_blocks(config, trainers.back()->parameters());
    describe(config, *trainers.back(), log);
  }
  return trainers;
}

}  // namespace dorabooth
