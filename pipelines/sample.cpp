// One batch a prompt and seed, drawn from one generator; a file for each picture.
#include "pipelines/sample.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "pipelines/parts/adapter_reading.h"
#include "pipelines/parts/base_loading.h"
#include "pipelines/parts/picture_text.h"
#include "pipelines/parts/prompt_cache.h"
#include "pipelines/parts/step_meter.h"
#include "pipelines/prompt_list.h"
#include "src/base/error.h"
#include "src/imagefile/caption_grid.h"
#include "src/imagefile/image_file.h"
#include "src/model/assets.h"

namespace dorabooth {

namespace fs = std::filesystem;

namespace {

std::vector<std::string> fields_off_default(const SampleRequest& request) {
  const FieldList<SampleRequest>& fields = sample_fields();
  const SampleRequest defaults;
  std::vector<std::string> names;
  for (const Field& field : fields.fields()) {
    if (fields.get(&request, field) != fields.get(&defaults, field)) names.push_back(field.name);
  }
  return names;
}

void check(const SampleRequest& request) {
  if (request.seed.empty()) throw UsageError("--seed is empty: want at least one");
  if (request.image_index &&
      (*request.image_index < 0 || *request.image_index >= request.num_images_per_prompt)) {
    throw UsageError(concat("--image_index: want a number below num_images_per_prompt = ",
                            request.num_images_per_prompt, ", got ", *request.image_index));
  }
  if (request.sheet && !request.sheet->ends_with(".png"))
    throw UsageError(concat("--sheet ", *request.sheet, ": want a name that ends in .png"));
}

std::vector<AdapterArgument> arguments_of(const SampleRequest& request) {
  std::vector<AdapterArgument> arguments;
  for (const std::string& text : request.adapter_path) {
    arguments.push_back(parse_adapter_argument(text));
  }
  return arguments;
}

std::vector<EmbeddingArgument> embeddings_of(const SampleRequest& request) {
  std::vector<EmbeddingArgument> arguments;
  for (const std::string& text : request.embedding) {
    arguments.push_back(parse_embedding_argument(text));
  }
  for (EmbeddingArgument& one : bundled_embeddings(arguments_of(request))) {
    arguments.push_back(std::move(one));
  }
  return arguments;
}

std::string file_name(size_t number, int64_t seed) {
  std::string digits = std::to_string(number);
  digits.insert(0, digits.size() < 5 ? 5 - digits.size() : 0, '0');
  return concat(digits, "-", seed, ".png");
}

// One run over an open base.
class Sampling {
 public:
  Sampling(const SampleRequest& request, Progress& progress, std::stop_token stop,
           ResidentBase* resident)
      : request_(request),
        progress_(progress),
        stop_(std::move(stop)),
        log_(log_to(progress)),
        base_(load_base(request, log_, resident)),
        embeddings_(embeddings_of(request), base_, log_),
        bundle_(embeddings_.with_tokens(base_)),
        plan_(plan_generation(request, bundle_, log_)),
        adapters_(arguments_of(request), parse_strength_rule(request.strength_rule), bundle_,
                  request, log_) {}

  SampleReport run() {
    const auto attached = adapters_.attach();
    const auto embedded = embeddings_.attach(bundle_);
    warn_of_tokens();
    PromptCache prompts(bundle_, plan_, log_);
    const auto batches = static_cast<int64_t>(request_.prompt.size() * request_.seed.size());
    StepMeter meter(progress_, "sample", batches * plan_.calls());
    for (size_t row = 0; row < request_.prompt.size(); ++row) {
      for (size_t column = 0; column < request_.seed.size(); ++column) {
        const int64_t seed = request_.seed[column];
        TorchNoise noise({static_cast<uint64_t>(seed)});
        const std::vector<Image> images =
            draw_pictures(bundle_, plan_, prompts.get(request_.prompt[row]),
                          request_.num_images_per_prompt, noise, [&] {
                            meter.step();
                            return !stop_.stop_requested();
                          });
        if (images.empty()) {
          report_.stopped = true;
          return std::move(report_);
        }
        write(images, row, column);
      }
    }
    if (request_.sheet) write_sheet();
    return std::move(report_);
  }

 private:
  void warn_of_tokens() const {
    std::vector<std::string> texts = request_.prompt;
    if (request_.negative_prompt) texts.push_back(*request_.negative_prompt);
    embeddings_.warn_of_unused(texts, log_);
    std::vector<std::string> files;
    for (const LoadedAdapter& adapter : adapters_.adapters()) files.push_back(adapter.file);
    embeddings_.warn_of_missing(files, texts, log_);
  }

  void write(const std::vector<Image>& images, size_t row, size_t column) {
    const std::string& prompt = request_.prompt[row];
    const int64_t seed = request_.seed[column];
    const auto count = static_cast<int64_t>(images.size());
    for (int64_t index = 0; index < count; ++index) {
      if (request_.image_index && *request_.image_index != index) continue;
      const Image& image = images[static_cast<size_t>(index)];
      const SampleRequest one = request_of_one(request_, prompt, seed, index, plan_, bundle_);
      const fs::path path =
          fs::path(request_.output_dir) / file_name(report_.pictures.size(), seed);
      write_png(path, image, picture_text(one, plan_, bundle_, adapters_, embeddings_));
      report_.pictures.push_back({path.string(), prompt, seed, index});
      PreviewEvent preview;
      preview.row = static_cast<int64_t>(row);
      preview.column = static_cast<int64_t>(column) * count + index;
      preview.row_label = prompt;
      preview.column_label =
          count > 1 ? concat("seed ", seed, " · ", index) : concat("seed ", seed);
      preview.image = image;
      progress_.on(preview);
      progress_.on(SavedEvent{path.string()});
    }
  }

  void write_sheet() {
    std::vector<CaptionedCell> cells;
    for (const SampledPicture& picture : report_.pictures)
      cells.push_back({read_picture(picture.path).image,
                       {picture.prompt, concat("seed ", picture.seed)},
                       /*marked=*/false});
    const auto columns = static_cast<int>(
        std::min<int64_t>(request_.sheet_columns, static_cast<int64_t>(cells.size())));
    const std::string title =
        concat(fs::path(base_.path).filename().string(), ", ", plan_.steps, " steps");
    write_png(*request_.sheet,
              caption_grid(title, cells, columns, Font(asset_path("fonts/DejaVuSans.ttf"))));
    report_.sheet = *request_.sheet;
    progress_.on(SavedEvent{report_.sheet});
  }

  const SampleRequest& request_;
  Progress& progress_;
  std::stop_token stop_;
  Log log_;
  SdxlBundle base_;
  EmbeddingStack embeddings_;
  SdxlBundle bundle_;  // the base with the embeddings' tokens
  GenerationPlan plan_;
  AdapterStack adapters_;
  SampleReport report_;
};

}  // namespace

SampleReport sample(const SampleRequest& request, Progress& progress, std::stop_token stop,
                    ResidentBase* resident) {
  if (request.from && request.prompts_file) {
    throw UsageError("--from and --prompts_file: a picture is drawn again with its own prompt");
  }
  SampleRequest resolved = with_picture(request, fields_off_default(request));
  check(resolved);
  resolved.prompt = prompt_list(resolved.prompt, resolved.prompts_file);
  return Sampling(resolved, progress, std::move(stop), resident).run();
}

}  // namespace dorabooth
