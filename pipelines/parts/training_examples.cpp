// Encoding, and the digest that cached results are named by.
#include "pipelines/parts/training_examples.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "pipelines/parts/step_meter.h"
#include "pipelines/parts/trainer_options.h"
#include "pipelines/parts/training_pictures.h"
#include "pipelines/parts/training_run.h"
#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/nn/linear.h"
#include "src/ops/frozen_weight.h"

namespace dorabooth {

std::optional<ExampleSet> encode_pictures(const TrainConfig& config, const SdxlBundle& bundle,
                                          const ImageFolder& folder, const std::string& stream,
                                          Progress& progress, std::stop_token stop) {
  const Log log = log_to(progress);
  for (const std::string& note : folder.notes) log.info(note);
  const ExampleRequest request =
      example_request(config, static_cast<uint64_t>(config.seed), stream, folder.pictures);
  int64_t total = 0;
  for (const CaptionedPicture& picture : request.pictures) total += picture.repeats;
  std::optional<LatentCache> cache;
  if (config.disk_cache_dir) {
    cache.emplace(*config.disk_cache_dir, module_digest(*bundle.vae, config));
  }
  StepMeter meter(progress, "encode " + stream + " pictures", total);
  ExampleSet set = encode_examples(
      request, *bundle.vae, cache ? &*cache : nullptr, [&](int64_t) { meter.step(); }, stop);
  if (set.size() == 0) return std::nullopt;
  return set;
}

BatchOptions batch_options_of(const TrainConfig& config, const SdxlBundle& bundle,
                              int64_t num_train_timesteps) {
  BatchOptions options;
  options.seed = static_cast<uint64_t>(config.seed);
  options.batch_size = config.train_batch_size;
  options.scaling_factor = bundle.vae->config().scaling_factor;
  options.num_train_timesteps = num_train_timesteps;
  options.noise = noise_options_of(config);
  options.timesteps = timestep_options_of(config);
  options.captions = caption_options_of(config);
  options.prior_from_base =
      config.with_prior_preservation && config.prior_preservation_source == "base";
  return options;
}

std::optional<TextCache> text_cache_of(const TrainConfig& config, const SdxlBundle& bundle) {
  if (!config.disk_cache_dir || config.train_text_encoder_ti) return std::nullopt;
  return TextCache(*config.disk_cache_dir, module_digest(*bundle.text_encoder, config) +
                                               module_digest(*bundle.text_encoder_2, config));
}

namespace {

void add_tensor(Sha256& hash, const std::string& name, const at::Tensor& tensor) {
  const at::Tensor value = tensor.detach().cpu().contiguous();
  hash.update(
      concat(name, " ", at::toString(value.scalar_type()), " ", shape_text(value.sizes().vec())));
  hash.update(value.const_data_ptr(), value.nbytes());
}

}  // namespace

std::string module_digest(const torch::nn::Module& module, const TrainConfig& config) {
  Sha256 hash;
  const nlohmann::json environment = environment_of(config);
  hash.update(environment.dump());
  for (const auto& item : module.named_parameters()) {
    if (!item.value().is_meta()) add_tensor(hash, item.key(), item.value());
  }
  // Matrices in another storage, by the numbers that they compute with.
  for (const auto& item : module.named_modules()) {
    const auto* linear = dynamic_cast<const nn::Linear*>(item.value().get());
    if (!linear || dynamic_cast<const DenseWeight*>(linear->weight().get())) continue;
    const FrozenWeight& weight = *linear->weight();
    const int64_t step = weight.core_row_count();
    for (int64_t first = 0; first < weight.out_features(); first += step) {
      const int64_t last = std::min(first + step, weight.out_features());
      add_tensor(hash, item.key(), weight.core_rows(first, last));
    }
  }
  return hash.hex();
}

}  // namespace dorabooth
