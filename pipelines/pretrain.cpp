// The stages, each over the same pictures' folders.
#include "pipelines/pretrain.h"

#include <filesystem>

#include "pipelines/parts/pretrain_files.h"
#include "pipelines/parts/pretrain_unet.h"
#include "pipelines/parts/pretrain_vae.h"
#include "pipelines/parts/training_pictures.h"
#include "pipelines/parts/training_run.h"
#include "src/base/error.h"
#include "src/tokenizers/train_vocabulary.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

PretrainReport pretrain_tokenizer(const PretrainConfig& config, const ImageFolder& folder) {
  std::vector<std::string> captions;
  for (const CaptionedPicture& picture : folder.pictures) {
    captions.push_back(picture.caption);
    captions.insert(captions.end(), picture.alternatives.begin(), picture.alternatives.end());
  }
  const VocabularyOptions options{config.vocab_size, config.model_max_length, config.own_pieces};
  for (const char* name : {"tokenizer", "tokenizer_2"}) {
    train_vocabulary(captions, options, fs::path(config.output_dir) / name);
  }
  PretrainReport report;
  report.path = config.output_dir;
  return report;
}

}  // namespace

PretrainReport pretrain(const PretrainConfig& config, Progress& progress, std::stop_token stop) {
  check_data_options(config);
  if (config.stage != "tokenizer" && config.config_dir.empty())
    throw UsageError("--config_dir is missing");
  std::error_code error;
  fs::create_directories(config.output_dir, error);
  if (error) fail("cannot create ", config.output_dir, ": ", error.message());
  const ImageFolder folder = instance_pictures(config);
  for (const std::string& note : folder.notes) log_to(progress).info(note);
  if (config.stage == "tokenizer") return pretrain_tokenizer(config, folder);
  const std::string digest = digest_of(folder.pictures);
  if (config.stage == "vae") return pretrain_vae(config, folder, digest, progress, stop);
  return pretrain_unet(config, folder, digest, progress, stop);
}

}  // namespace dorabooth
