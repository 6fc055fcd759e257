// Both pictures start from the same noise; the adapted base is released before the merged one is
// loaded.
#include "pipelines/parts/merge_proof.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdlib>

#include "pipelines/parts/adapter_stack.h"
#include "pipelines/parts/base_loading.h"
#include "pipelines/parts/generation.h"

namespace dorabooth {

namespace {

constexpr int64_t kProofSteps = 8;
constexpr const char* kProofPrompt = "a photo of a cat";

int64_t unet_parameters(const MergeRequest& request) {
  const Checkpoint checkpoint =
      Checkpoint::open(request.pretrained_model_name_or_path, request.variant.value_or(""),
                       request.config_dir.value_or(""));
  int64_t count = 0;
  for (const StoredTensor& stored : checkpoint.stored(Component::kUNet)) {
    int64_t numbers = 1;
    for (const int64_t side : stored.shape) numbers *= side;
    count += numbers;
  }
  return count;
}

Image draw(const SdxlBundle& bundle, const Log& log, std::stop_token stop) {
  SamplingOptions options;
  options.num_inference_steps = kProofSteps;
  const GenerationPlan plan = plan_generation(options, bundle, log);
  const Conditioning conditioning = encode_conditioning(bundle, plan, kProofPrompt, log);
  TorchNoise noise({0});
  const auto pictures =
      draw_pictures(bundle, plan, conditioning, 1, noise, [&] { return !stop.stop_requested(); });
  return pictures.empty() ? Image() : pictures[0];
}

ModelOptions options_for(const MergeRequest& request, const std::string& path) {
  ModelOptions options;
  options.pretrained_model_name_or_path = path;
  options.device = "cpu";
  options.dtype = "fp32";
  if (path == request.pretrained_model_name_or_path) {
    options.variant = request.variant;
    options.config_dir = request.config_dir;
  }
  return options;
}

}  // namespace

std::optional<int> merged_picture_difference(const MergeRequest& request, const Log& log,
                                             std::stop_token stop) {
  if (request.adapter_path.empty() || request.layout != "diffusers") return {};
  if (unet_parameters(request) > kProofParameters) return {};
  at::NoGradGuard no_grad;
  Image adapted;
  {
    const SdxlBundle bundle =
        load_base(options_for(request, request.pretrained_model_name_or_path), log);
    std::vector<AdapterArgument> arguments;
    for (const std::string& text : request.adapter_path) {
      arguments.push_back(parse_adapter_argument(text));
    }
    AdapterStack stack(arguments, parse_strength_rule(request.strength_rule), bundle, request);
    const auto scopes = stack.attach();
    adapted = draw(bundle, log, stop);
  }
  const Image merged = draw(load_base(options_for(request, *request.output_dir), log), log, stop);
  if (adapted.empty() || merged.empty()) return {};
  int largest = 0;
  for (size_t i = 0; i < adapted.rgb_hwc.size(); ++i) {
    largest = std::max(largest, std::abs(int{adapted.rgb_hwc[i]} - int{merged.rgb_hwc[i]}));
  }
  return largest;
}

}  // namespace dorabooth
