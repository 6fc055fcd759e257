// Pictures are held out by the stream "validation/split".
#include "pipelines/parts/training_validation.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "src/base/error.h"
#include "src/base/random_stream.h"
#include "src/report/metrics_file.h"

namespace dorabooth {

namespace fs = std::filesystem;

ImageFolder hold_out_pictures(const TrainConfig& config, ImageFolder& folder) {
  const auto count = static_cast<int64_t>(folder.pictures.size());
  if (count < 2) {
    fail("--validation_split ", config.validation_split, ": ", config.instance_data_dir, " has ",
         count, " picture, and at least 2 are wanted, one to learn from and one to hold out");
  }
  const double share = config.validation_split * static_cast<double>(count);
  const int64_t held = std::clamp<int64_t>(std::llround(share), 1, count - 1);
  const std::vector<int64_t> order =
      RandomStream(static_cast<uint64_t>(config.seed), "validation/split").permutation(0, 0, count);
  std::vector<char> is_held(static_cast<size_t>(count), 0);
  for (int64_t i = 0; i < held; ++i)
    is_held[static_cast<size_t>(order[static_cast<size_t>(i)])] = 1;
  ImageFolder result;
  std::vector<CaptionedPicture> left;
  for (size_t i = 0; i < folder.pictures.size(); ++i) {
    (is_held[i] ? result.pictures : left).push_back(std::move(folder.pictures[i]));
  }
  folder.pictures = std::move(left);
  return result;
}

TrainingValidation::TrainingValidation(HeldOutLoss loss, const SdxlBundle& bundle,
                                       const Ddpm& schedule, const TrainingText& text,
                                       std::string prediction_type, int64_t batch_size)
    : loss_(std::move(loss)),
      bundle_(bundle),
      schedule_(schedule),
      text_(text),
      prediction_type_(std::move(prediction_type)),
      batch_size_(batch_size) {
  const at::NoGradGuard no_grad;
  base_ = mean(text_.live(loss_.captions()));
}

double TrainingValidation::mean(const PromptEmbeds& embeds) const {
  double sum = 0.0;
  for (int64_t first = 0; first < loss_.rows(); first += batch_size_) {
    sum += loss_.sum(bundle_, schedule_, prediction_type_, embeds, first,
                     std::min(first + batch_size_, loss_.rows()));
  }
  return sum / static_cast<double>(loss_.rows());
}

double TrainingValidation::of(AdapterTrainer& trainer, bool live) const {
  const at::NoGradGuard no_grad;
  trainer.set_training(false, 0);
  const AdapterTrainer::Averages averages(trainer);
  const AdapterTrainer::Attached scope = trainer.attach();
  return mean(live ? text_.live(loss_.captions()) : text_.cached(loss_.captions()));
}

void TrainingValidation::note(const std::string& name, int64_t step, double loss) {
  const auto found = best_.find(name);
  if (found == best_.end() || loss < found->second.loss) best_[name] = {step, loss};
}

void TrainingValidation::note_metrics(const fs::path& metrics) {
  for (const nlohmann::json& line : read_metrics(metrics)) {
    if (!line.contains("validation_loss")) continue;
    for (const auto& [name, loss] : line.at("validation_loss").items()) {
      if (loss.is_number()) note(name, line.at("step").get<int64_t>(), loss.get<double>());
    }
  }
}

std::string TrainingValidation::best_of(const std::string& name, const fs::path& output) const {
  const Best& best = best_.at(name);
  const std::string checkpoint = concat("checkpoint-", best.step);
  return concat("lowest held-out loss ", best.loss, " after step ", best.step, " (",
                fs::exists(output / checkpoint) ? checkpoint : "no checkpoint of it is kept",
                "; the base's is ", base_, ")");
}

}  // namespace dorabooth
