// Previews use the sampling loop of pipelines/generation with the adapter of one trainer attached.
#include "pipelines/parts/training_previews.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <iomanip>

#include "datasets/concept.h"
#include "datasets/image_folder.h"
#include "pipelines/comparison_sheet.h"
#include "pipelines/drawn_cells.h"
#include "pipelines/parts/base_loading.h"
#include "pipelines/parts/generation.h"
#include "pipelines/parts/picture_text.h"
#include "pipelines/parts/step_meter.h"
#include "pipelines/parts/trainer_options.h"
#include "pipelines/parts/training_pictures.h"
#include "src/base/atomic_file.h"
#include "src/base/error.h"
#include "src/imagefile/image_file.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

constexpr const char* kBaseName = "base";  // of its column, tag and folder

SamplingOptions square_pictures(const TrainConfig& config) {
  SamplingOptions options;
  options.height = config.resolution;
  options.width = config.resolution;
  return options;
}

SamplingOptions preview_options(const TrainConfig& config) {
  SamplingOptions options = square_pictures(config);
  options.num_inference_steps = config.validation_inference_steps;
  options.guidance_scale = config.validation_guidance_scale;
  options.clip_skip = config.clip_skip;
  return options;
}

std::string row_label(const TrainConfig& config, size_t prompt, int64_t seed) {
  const std::string label = concat("seed ", seed);
  return config.validation_prompt.size() == 1
             ? label
             : concat(config.validation_prompt[prompt], ", ", label);
}

fs::path class_picture(const fs::path& folder, int64_t number) {
  std::ostringstream name;
  name << "class-" << std::setw(5) << std::setfill('0') << number << ".png";
  return folder / name.str();
}

// Numbers of the pictures to draw: the lowest that no file has yet. Makes the folder.
std::vector<int64_t> missing_class_pictures(const Concept& one) {
  const fs::path folder = *one.class_data_dir;
  fs::create_directories(folder);
  const auto present = static_cast<int64_t>(list_pictures(folder).size());
  std::vector<int64_t> numbers;
  for (int64_t k = 0; static_cast<int64_t>(numbers.size()) < one.num_class_images - present; ++k) {
    if (!fs::exists(class_picture(folder, k))) numbers.push_back(k);
  }
  return numbers;
}

std::vector<Concept> concepts_with_class_pictures(const TrainConfig& config) {
  std::vector<std::string> notes;
  std::vector<Concept> concepts = concepts_of(config, &notes);
  std::erase_if(concepts, [](const Concept& one) { return !one.class_data_dir; });
  return concepts;
}

void draw_class_pictures(const TrainConfig& config, const Concept& one, const SdxlBundle& bundle,
                         Progress& progress, const std::stop_token& stop) {
  const std::vector<int64_t> missing = missing_class_pictures(one);
  if (missing.empty()) return;
  const Log log = log_to(progress);
  const fs::path folder = *one.class_data_dir;
  log.info(concat("drawing ", missing.size(), " class pictures of '", *one.class_prompt, "' into ",
                  folder.string()));
  const GenerationPlan plan = plan_generation(square_pictures(config), bundle, log);
  const Conditioning conditioning = encode_conditioning(bundle, plan, *one.class_prompt, log);
  StepMeter meter(progress, "class pictures", static_cast<int64_t>(missing.size()));
  const auto batch = static_cast<size_t>(config.sample_batch_size);
  for (size_t first = 0; first < missing.size(); first += batch) {
    const size_t last = std::min(first + batch, missing.size());
    std::vector<uint64_t> seeds;
    for (size_t i = first; i < last; ++i) {
      seeds.push_back(static_cast<uint64_t>(config.seed + missing[i]));
    }
    TorchNoise noise(seeds);
    const auto pictures =
        draw_pictures(bundle, plan, conditioning, static_cast<int64_t>(seeds.size()), noise,
                      [&] { return !stop.stop_requested(); });
    if (pictures.empty()) return;
    for (size_t i = 0; i < pictures.size(); ++i) {
      write_png(class_picture(folder, missing[first + i]), pictures[i]);
      meter.step();
    }
  }
}

// The type that --prior_generation_precision asks for, where it is not the training base's own.
std::optional<std::string> dtype_for_class_pictures(const TrainConfig& config) {
  const std::string asked = config.prior_generation_precision.value_or("no");
  if (asked == "no" || asked == *model_options_of(config).dtype) return std::nullopt;
  return asked;
}

}  // namespace

TrainingPreviews::TrainingPreviews(const TrainConfig& config, const SdxlBundle& bundle,
                                   TensorboardFile* tensorboard, Progress& progress,
                                   std::stop_token stop)
    : config_(config),
      bundle_(bundle),
      tensorboard_(tensorboard),
      progress_(progress),
      log_(log_to(progress)),
      stop_(std::move(stop)),
      folder_(fs::path(config.output_dir) / "samples"),
      plan_(plan_generation(preview_options(config), bundle, log_)) {
  for (size_t prompt = 0; prompt < config.validation_prompt.size(); ++prompt) {
    for (int64_t i = 0; i < config.num_validation_images; ++i) {
      rows_.push_back({prompt, config.seed + i});
    }
  }
}

// "lora-7.png", or "lora-2-7.png" of the second of several prompts.
std::string TrainingPreviews::file_name(const std::string& column, const Row& row) const {
  const bool several = config_.validation_prompt.size() > 1;
  return concat(column, "-", several ? concat(row.prompt + 1, "-") : "", row.seed, ".png");
}

SampleRequest TrainingPreviews::request_of(const Row& row) const {
  SampleRequest request;
  static_cast<ModelOptions&>(request) = config_;
  static_cast<SamplingOptions&>(request) = preview_options(config_);
  return request_of_one(request, config_.validation_prompt[row.prompt], row.seed, 0, plan_,
                        bundle_);
}

// A picture of the base can be drawn again from its text. An adapter's has A1111's line only, since
// that adapter is in no file, and so has the base's with new tokens where they begin.
PngText TrainingPreviews::text_of(const Row& row, bool is_base) const {
  PngText text = picture_text(request_of(row), plan_, bundle_, AdapterStack(), EmbeddingStack());
  if (!is_base) std::erase_if(text, [](const auto& chunk) { return chunk.first != "parameters"; });
  return text;
}

void TrainingPreviews::show(const Shown& shown, int64_t step) const {
  const Row& row = rows_[shown.row];
  if (tensorboard_) {
    const std::string prompt =
        config_.validation_prompt.size() > 1 ? concat("prompt-", row.prompt + 1, "/") : "";
    tensorboard_->picture(step, concat("samples/", shown.name, "/", prompt, "seed-", row.seed),
                          shown.picture.width, shown.picture.height, read_file(shown.file));
  }
  progress_.on(PreviewEvent{static_cast<int64_t>(shown.row), shown.column,
                            row_label(config_, row.prompt, row.seed), shown.name, shown.picture,
                            step});
}

// What is in the slots draws. False if it was asked to stop.
bool TrainingPreviews::draw_column(const std::string& name, int64_t column, const fs::path& folder,
                                   int64_t step) {
  const bool is_base = column == 0;
  std::optional<Conditioning> conditioning;  // of the rows of one prompt
  size_t conditioned = 0;
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (stop_.stop_requested()) return false;
    const Row& row = rows_[i];
    Shown shown{i, column, name, {}, folder / file_name(name, row)};
    if (is_base && is_drawn(shown.file, row)) {
      shown.picture = read_picture(shown.file).image;
    } else {
      if (!conditioning || conditioned != row.prompt) {
        conditioning = encode_conditioning(bundle_, plan_, config_.validation_prompt[row.prompt],
                                           is_base ? log_ : Log());
        conditioned = row.prompt;
      }
      TorchNoise noise({static_cast<uint64_t>(row.seed)});
      const auto pictures = draw_pictures(bundle_, plan_, *conditioning, 1, noise,
                                          [&] { return !stop_.stop_requested(); });
      if (pictures.empty()) return false;
      shown.picture = pictures[0];
      write_png(shown.file, shown.picture, text_of(row, is_base));
    }
    show(shown, step);
    cells_[{i, column}] = shown.file;
  }
  return true;
}

// By an earlier process of this run, or an earlier run: with the same settings, and of the base as
// it is.
bool TrainingPreviews::is_drawn(const fs::path& file, const Row& row) const {
  if (!fs::exists(file) || config_.train_text_encoder_ti) return false;
  if (fs::last_write_time(file) < base_written(config_.pretrained_model_name_or_path)) return false;
  try {
    return read_png_text(file) == text_of(row, true);
  } catch (const Error&) {
    return false;  // damaged: drawn again
  }
}

void TrainingPreviews::write_sheet(const Trainers& trainers, int64_t step) const {
  ComparisonSheet sheet;
  sheet.columns = {kBaseName};
  for (const auto& trainer : trainers) sheet.columns.push_back(trainer->name());
  for (size_t i = 0; i < rows_.size(); ++i) {
    SheetRow& to = sheet.rows.emplace_back();
    to.prompt = config_.validation_prompt[rows_[i].prompt];
    to.detail = concat("seed ", rows_[i].seed);
    for (size_t column = 0; column < sheet.columns.size(); ++column) {
      const auto cell = cells_.find({i, static_cast<int64_t>(column)});
      to.cells.push_back({cell == cells_.end() ? std::string() : cell->second.string(), ""});
    }
  }
  const fs::path file = folder_ / concat("step-", step, ".png");
  write_comparison_sheet(sheet, file.string());
  if (!tensorboard_) return;
  const PictureSize size = probe_size(file);
  tensorboard_->picture(step, "samples/sheet", size.width, size.height, read_file(file));
}

bool TrainingPreviews::try_to(const std::string& what, int64_t step,
                              const std::function<bool()>& action) const {
  try {
    return action();
  } catch (const std::exception& error) {  // LibTorch's too, which say that memory is short
    const std::string text = error.what();
    log_.warning(concat("no ", what, " after step ", step, ": ", text.substr(0, text.find('\n'))));
    return true;
  }
}

void TrainingPreviews::draw(const Trainers& trainers, int64_t step) {
  at::NoGradGuard no_grad;
  std::erase_if(cells_, [](const auto& cell) { return cell.first.second != 0; });
  if (cells_.size() < rows_.size()) {
    const auto base = [&] { return draw_column(kBaseName, 0, folder_ / kBaseName, step); };
    if (!try_to("preview of the base", step, base)) return;
  }
  for (size_t i = 0; i < trainers.size(); ++i) {
    AdapterTrainer& trainer = *trainers[i];
    trainer.set_training(false, 0);
    const AdapterTrainer::Averages averages(trainer);
    const AdapterTrainer::Attached scope = trainer.attach();
    const auto adapted = [&] {
      return draw_column(trainer.name(), static_cast<int64_t>(i) + 1,
                         folder_ / concat("step-", step), step);
    };
    if (!try_to(concat("preview of ", trainer.name()), step, adapted)) return;
  }
  try_to("sheet of previews", step, [&] {
    write_sheet(trainers, step);
    return true;
  });
}

void make_class_pictures_apart(const TrainConfig& config, Progress& progress,
                               std::stop_token stop) {
  if (!config.with_prior_preservation || config.prior_preservation_source != "pictures") return;
  ModelOptions options = config;
  options.dtype = dtype_for_class_pictures(config);
  if (!options.dtype) return;
  const std::vector<Concept> concepts = concepts_with_class_pictures(config);
  const auto lacks = [](const Concept& one) { return !missing_class_pictures(one).empty(); };
  if (std::none_of(concepts.begin(), concepts.end(), lacks)) return;
  make_class_pictures(config, load_base(options, log_to(progress)), progress, std::move(stop));
}

void make_class_pictures(const TrainConfig& config, const SdxlBundle& bundle, Progress& progress,
                         std::stop_token stop) {
  at::NoGradGuard no_grad;
  for (const Concept& one : concepts_with_class_pictures(config)) {
    if (stop.stop_requested()) return;
    draw_class_pictures(config, one, bundle, progress, stop);
  }
}

}  // namespace dorabooth
