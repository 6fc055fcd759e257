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

void add_name(Sha256& hash, const std::string& name, at::ScalarType type, at::IntArrayRef sizes) {
  hash.update(concat(name, " ", at::toString(type), " ", shape_text(sizes.vec())));
}

void add_values(Sha256& hash, const at::Tensor& tensor) {
  const at::Tensor value = tensor.detach().cpu().contiguous();
  hash.update(value.const_data_ptr(), value.nbytes());
}

// A matrix that is no tensor, by the numbers that it computes with: one that is still in its file
// counts as if it were loaded.
void add_weight(Sha256& hash, const std::string& name, const FrozenWeight& weight) {
  constexpr int64_t kRowsPerBlock = 256;
  const int64_t rows = weight.out_features();
  add_name(hash, name, weight.core_rows(0, std::min<int64_t>(1, rows)).scalar_type(),
           {rows, weight.in_features()});
  for (int64_t first = 0; first < rows; first += kRowsPerBlock) {
    add_values(hash, weight.core_rows(first, std::min(first + kRowsPerBlock, rows)));
  }
}

}  // namespace

std::string module_digest(const torch::nn::Module& module, const TrainConfig& config) {
  Sha256 hash;
  const nlohmann::json environment = environment_of(config);
  hash.update(environment.dump());
  for (const auto& item : module.named_modules()) {
    const auto* linear = dynamic_cast<const nn::Linear*>(item.value().get());
    for (const auto& parameter : item.value()->named_parameters(/*recurse=*/false)) {
      const std::string name = concat(item.key(), ".", parameter.key());
      const at::Tensor& value = parameter.value();
      if (linear && parameter.key() == "weight" && value.is_meta()) {
        add_weight(hash, name, *linear->weight());
      } else if (!value.is_meta()) {
        add_name(hash, name, value.scalar_type(), value.sizes());
        add_values(hash, value);
      }
    }
  }
  return hash.hex();
}

}  // namespace dorabooth
