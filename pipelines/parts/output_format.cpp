#include "pipelines/parts/output_format.h"

#include "pipelines/convert.h"
#include "pipelines/convert_place.h"
#include "pipelines/parts/checkpoint_layers.h"
#include "pipelines/parts/training_run.h"
#include "src/base/error.h"
#include "src/model/checkpoint.h"

namespace dorabooth {

namespace {

// The steps that are told are the training's.
class SavedOnly : public Progress {
 public:
  explicit SavedOnly(Progress& progress) : progress_(progress) {}
  void on(const Event& event) override {
    if (std::holds_alternative<SavedEvent>(event) || std::holds_alternative<LogEvent>(event))
      progress_.on(event);
  }

 private:
  Progress& progress_;
};

}  // namespace

void check_output_format(const TrainConfig& config) {
  if (config.output_format == "diffusers") return;
  for (const NamedSpec& adapter : adapter_specs(config)) {
    if (config.output_format == "peft" && adapter.spec.is_full()) {
      throw UsageError(concat("--output_format peft: PEFT has no place for the differences that ",
                              adapter.name, " learns; kohya, kohya-sgm and comfyui hold them"));
    }
    if (config.output_format == "peft" && adapter.spec.has_magnitude() &&
        adapter.spec.norm_axis != "output") {
      throw UsageError(concat("--output_format peft: PEFT has no magnitudes by the ",
                              adapter.spec.norm_axis, " axis, which ", adapter.name,
                              " asks for; kohya-sgm holds them"));
    }
  }
  const Checkpoint base =
      Checkpoint::open(config.pretrained_model_name_or_path, config.variant.value_or(""));
  std::vector<std::unique_ptr<nn::Linear>> owned;
  checkpoint_layers(base, owned);
}

std::string write_for_reader(const TrainConfig& config, const std::filesystem::path& adapter,
                             Progress& progress) {
  if (config.output_format == "diffusers") return "";
  ConvertRequest request;
  request.adapter_path = adapter.string();
  request.to = config.output_format;
  request.pretrained_model_name_or_path = config.pretrained_model_name_or_path;
  request.variant = config.variant;
  auto& place = writes_folder(request.to) ? request.output_dir : request.output;
  place = place_beside(request.adapter_path, request.to);
  SavedOnly saved(progress);
  return convert(request, saved, {}).path;
}

}  // namespace dorabooth
