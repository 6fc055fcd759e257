// Names and forms as kohya's train_network.py writes them and A1111 reads them.
#include "pipelines/parts/training_metadata.h"

#include <charconv>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string_view>

#include "src/adapter/kohya_hashes.h"
#include "src/base/error.h"

namespace dorabooth {

namespace {

using Metadata = std::map<std::string, std::string>;

// As reproducible builds have it: seconds since 1970.
void add_date(Metadata& values) {
  const char* text = std::getenv("SOURCE_DATE_EPOCH");
  if (!text) return;
  int64_t seconds = 0;
  const std::string_view digits = text;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, seconds);
  if (error != std::errc() || stop != end || seconds < 0) {
    fail("SOURCE_DATE_EPOCH is '", digits, "': want seconds since 1970");
  }
  const std::time_t time = seconds;
  std::tm utc{};
  if (!gmtime_r(&time, &utc)) fail("SOURCE_DATE_EPOCH is '", digits, "': no date that is known");
  char date[32];
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc);
  values["modelspec.date"] = date;
  // As Python writes a float.
  values["ss_training_started_at"] = values["ss_training_finished_at"] = concat(digits, ".0");
}

void add_rates(const TrainConfig& config, const TrainingNumbers& numbers, Metadata& values) {
  values["ss_learning_rate"] = concat(numbers.learning_rate);
  values["ss_unet_lr"] = concat(numbers.learning_rate);
  if (config.train_text_encoder || config.train_text_encoder_ti)
    values["ss_text_encoder_lr"] = concat(config.text_encoder_lr);
  values["ss_lr_scheduler"] = config.lr_scheduler;
  if (config.lr_scheduler != "constant")
    values["ss_lr_warmup_steps"] = concat(config.lr_warmup_steps);
  values["ss_optimizer"] = config.optimizer;
  values["ss_max_grad_norm"] = concat(config.max_grad_norm);
}

void add_objective(const TrainConfig& config, Metadata& values) {
  values["ss_noise_offset"] = concat(config.noise_offset);
  if (config.snr_gamma) values["ss_min_snr_gamma"] = concat(*config.snr_gamma);
  if (config.with_prior_preservation) {
    values["ss_prior_loss_weight"] = concat(config.prior_loss_weight);
    values["ss_num_reg_images"] = concat(config.num_class_images);
  } else {
    values["ss_num_reg_images"] = "0";
  }
}

}  // namespace

void note_step(Metadata& metadata, int64_t step, int64_t epoch_steps) {
  metadata["ss_steps"] = concat(step);
  metadata["ss_epoch"] = concat((step + epoch_steps - 1) / epoch_steps);
}

Metadata training_metadata(const TrainConfig& config, const TrainingNumbers& numbers) {
  const int64_t epochs = (numbers.steps + numbers.epoch_steps - 1) / numbers.epoch_steps;
  Metadata values = {
      {"modelspec.resolution", concat(config.resolution, "x", config.resolution)},
      {"ss_resolution", concat("(", config.resolution, ", ", config.resolution, ")")},
      {"ss_sd_model_name",
       std::filesystem::path(config.pretrained_model_name_or_path).filename().string()},
      {"ss_seed", concat(config.seed)},
      {"ss_num_train_images", concat(numbers.pictures)},
      {"ss_num_epochs", concat(epochs)},
      {"ss_max_train_steps", concat(numbers.steps)},
      {"ss_gradient_accumulation_steps", concat(config.gradient_accumulation_steps)},
      {"ss_mixed_precision", config.mixed_precision}};
  // As kohya does, of a single file alone; its SHA-256 would take reading all of it.
  if (std::filesystem::is_regular_file(config.pretrained_model_name_or_path))
    values["ss_sd_model_hash"] = short_hash_of_file(config.pretrained_model_name_or_path);
  // Kohya counts from the last layer, this program from SDXL's penultimate one.
  if (config.clip_skip.value_or(0) > 0) values["ss_clip_skip"] = concat(*config.clip_skip + 2);
  if (config.instance_prompt) values["modelspec.trigger_phrase"] = *config.instance_prompt;
  add_rates(config, numbers, values);
  add_objective(config, values);
  add_date(values);
  return values;
}

}  // namespace dorabooth
